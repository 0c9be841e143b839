"""How the app looks: a calm theme on the system's own fonts, and what `launch()` needs to apply it. No font is fetched."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

from ui.components.place import THREADS

STATIC = Path(__file__).resolve().parents[1] / "static"
STYLES, PLAYER, BOARD = STATIC / "style", STATIC / "player", STATIC / "board"
# What other components share of the player's code.
READER = tuple(PLAYER / f"{name}.js" for name in ("tools", "picture", "page", "trace", "curves", "deck", "candidates", "files"))
SANS = ("ui-sans-serif", "system-ui", "-apple-system", "Segoe UI", "Roboto", "Helvetica Neue", "Noto Sans", "sans-serif")
MONO = ("ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "Liberation Mono", "monospace")

NAVY = gr.themes.Color(name="navy", c50="#f3f6fb", c100="#e4ebf5", c200="#c8d5e9", c300="#a2b7d6", c400="#7692be",
                       c500="#53769a", c600="#3f5f93", c700="#344d80", c800="#293b6e", c900="#1f2a5c", c950="#151c40")
STONE = gr.themes.Color(name="stone", c50="#fafaf8", c100="#f4f4f0", c200="#e6e6e0", c300="#d2d2cb", c400="#a3a39d",
                        c500="#6f706c", c600="#52534f", c700="#3c3d3b", c800="#272827", c900="#1b1c1c", c950="#121313")


def theme() -> gr.themes.Base:
    """Small text, thin lines, navy for what can be pressed."""
    base = gr.themes.Base(primary_hue=NAVY, secondary_hue=NAVY, neutral_hue=STONE, text_size=gr.themes.sizes.text_sm,
                          spacing_size=gr.themes.sizes.spacing_sm, radius_size=gr.themes.sizes.radius_md,
                          font=SANS, font_mono=MONO)
    return base.set(
        body_background_fill="#fbfbf9", body_background_fill_dark="#141515",
        block_background_fill="transparent", block_background_fill_dark="transparent",
        block_border_width="0px", block_shadow="none", block_padding="0",
        block_label_background_fill="transparent", block_title_text_weight="500",
        block_title_text_size="12px", block_info_text_size="11px",
        body_text_color_subdued="*neutral_500", body_text_color_subdued_dark="*neutral_400",
        input_placeholder_color="*neutral_500", input_placeholder_color_dark="*neutral_400",
        block_title_text_color="*neutral_600", block_title_text_color_dark="*neutral_300",
        input_background_fill="#ffffff", input_background_fill_dark="#1f2020",
        input_border_width="1px", input_border_color="*neutral_300", input_border_color_dark="*neutral_700",
        button_primary_background_fill="*primary_700", button_primary_background_fill_hover="*primary_800",
        button_primary_background_fill_dark="*primary_600", button_primary_background_fill_hover_dark="*primary_500",
        button_primary_text_color="#ffffff", button_primary_text_color_dark="#ffffff",
        slider_color="*primary_600", slider_color_dark="*primary_400")


def style() -> str:
    """The style sheets of the app and of the player, in the order of their names."""
    return "\n".join(path.read_text(encoding="utf-8") for path in sorted(STYLES.glob("*.css")))


def page_style() -> str:
    """The style sheets of a saved page, which has no theme: light or dark as its reader's own screen is."""
    dark = (STYLES / "dark.css").read_text(encoding="utf-8").replace(".dark", ":root")
    return f"{style()}\n@media (prefers-color-scheme: dark) {{\n{dark}}}\n"


def script(*places: Path) -> str:
    """The code of a component of the page, the player's unless told otherwise: files, and folders in the order of their names."""
    files = [file for place in places or (PLAYER,) for file in (sorted(place.glob("*.js")) if place.is_dir() else [place])]
    return "\n".join(path.read_text(encoding="utf-8") for path in files)


def parts(*names: str) -> str:
    """Single files of the page's code, named below ui/static."""
    return script(*(STATIC / name for name in names))


def launch_options() -> dict[str, Any]:
    """What belongs to `launch()` in Gradio 6: theme, style, footer, threads; no history of runs is kept in the browser."""
    return {"theme": theme(), "css": style(), "footer_links": ["api", "settings"], "run_history": False, "max_threads": THREADS}
