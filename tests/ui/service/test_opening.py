"""The stored run that the lab opens on belongs to the checkpoint that ships."""


from diffusion.core.checkpoint import BUNDLED, read
from diffusion.text import domain
from ui.service.studio import Studio

OPENING = domain.bundled().traces / "opening.json"


def test_the_stored_run_was_made_by_the_shipped_checkpoint_and_shows_its_verdicts():
    studio = Studio()
    trace = studio.open(OPENING)
    assert trace.info["checkpoint"] == read(BUNDLED / trace.info["paper"]).hash
    results = studio.results(trace)
    assert results and all(result.controls for result in results)
    assert not studio.is_loaded(trace.info["paper"])
