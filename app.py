"""Text Diffusion Lab. `python app.py` opens the lab in the browser; `python app.py --help` lists what else it does."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import TYPE_CHECKING

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"         # before gradio is imported: the lab talks to nobody
with contextlib.suppress(ImportError):
    import spaces  # noqa: F401  (on a ZeroGPU Space it patches torch, so it comes first)

from ui import cli

if TYPE_CHECKING:
    import gradio as gr

    from ui.service.studio import Studio


def build_app(studio: Studio) -> gr.Blocks:
    """The app's page, all tabs on one studio."""
    import gradio as gr

    from ui.components.page import Page
    from ui.tabs import registry as tabs

    with gr.Blocks(title="Text Diffusion Lab", analytics_enabled=False) as blocks:
        tabs.build(Page(studio))
    return blocks


if __name__ == "__main__":
    options = cli.parse()
    if options.command is not None:
        sys.exit(cli.run(options))

    from ui.components import theme

    demo = build_app(cli.studio_of(options))
    sys.exit(cli.serve(lambda: demo.queue().launch(ssr_mode=False, **theme.launch_options())))
