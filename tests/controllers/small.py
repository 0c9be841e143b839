"""A small world for the tests of controllers: our own words and labels, and models with random weights."""

import torch

from controllers import CONTROLLERS, parse_controls
from controllers.base import Context, Controlled, Controller
from controllers.strategies.absorb import Absorb
from diffusion import Request, generate
from diffusion.core.model import DiffusionModel
from diffusion.nn.backbone import BackboneConfig
from diffusion.papers.autoregressive import Autoregressive
from diffusion.papers.autoregressive import Config as LeftConfig
from diffusion.papers.diffusion_lm import Config as DiffusionConfig
from diffusion.papers.diffusion_lm import DiffusionLM
from diffusion.papers.sedd import SEDD
from diffusion.papers.sedd import Config as DiscreteConfig
from diffusion.text.labels import LabelSet
from diffusion.text.vocab import SPECIALS, Vocabulary, split

LENGTH = 16
TEXTS = ("The Vaults is a cheap Italian pub near Café Rouge .", "Aromi serves French food , by the riverside !",
         "Not a family friendly coffee shop in the city centre . No children ; it has 5 out of 5 stars , for £ 20 - 25")
VOCAB = Vocabulary([*SPECIALS, *sorted({word for text in TEXTS for word in split(text)})])
LABELS = LabelSet({"area": ("city centre", "riverside"), "familyFriendly": ("no", "yes"), "food": ("French", "Italian"),
                   "name": ("Aromi", "The Vaults"), "near": ("Café Rouge",), "customer rating": ("5 out of 5", "low")})
CONTEXT = Context(VOCAB, LABELS, LENGTH)
EXAMPLES = {"length": "5-7", "infill": "The Vaults is ___ near ___2 .", "label": "food:Italian,area:riverside",
            "classifier": "food:Italian",
            "semantic": "food:Italian,area:riverside,word:cheap", "pos": "DET PROPN AUX DET ADJ NOUN PUNCT",
            "tree": "(TOP (S (NP (DT) (NNP)) (VP (VBZ) (NP (DT) (JJ) (NN))) (.)))", "span": "NP@4-5"}


def control(text: str, context: Context = CONTEXT) -> Controller:
    """The controller of ``slug=target``."""
    return parse_controls([text], context)[0].controller


def example(slug: str) -> Controller:
    """A controller of each kind that fits the small world."""
    return CONTROLLERS[slug].parse(EXAMPLES[slug], CONTEXT)


def model(slug: str, scale: float = 0.5) -> DiffusionModel:
    """A model with random weights, so large that its beliefs are far from uniform; with a smaller scale they are vague."""
    if slug == "ar":
        config = LeftConfig(width=16, layers=1, heads=2, length=LENGTH, label_sizes=LABELS.sizes)
        built = Autoregressive(config, VOCAB, LABELS)
    else:
        backbone = BackboneConfig(width=16, layers=1, heads=2, length=LENGTH, label_sizes=LABELS.sizes, time_width=8)
        if slug == "sedd":
            built = SEDD(DiscreteConfig(backbone, embedding_width=8), VOCAB, LABELS)
        else:
            built = DiffusionLM(DiffusionConfig(backbone, embedding_width=8), VOCAB, LABELS)
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for weight in built.parameters():
            weight.normal_(0, scale, generator=generator)
    return built.eval()


def request(seeds: int = 1, **changes: object) -> Request:
    """A short run of the small models."""
    return Request(**{"length": LENGTH, "seeds": tuple(range(seeds)), "steps": 4, **changes})


def write(built: DiffusionModel, controls: list[str], asked: Request) -> list[list[str]]:
    """The words of each text of a run under these controls."""
    trace = generate(built, asked, Absorb(parse_controls(controls, CONTEXT))).run()
    return [VOCAB.tokens(row) for row in trace.ids]


def steering(*controllers: Controller) -> Absorb:
    """The common strategy over controllers of the default strength."""
    return Absorb([Controlled(controller) for controller in controllers])


def one_hot(words: list[str], length: int = LENGTH) -> torch.Tensor:
    """The belief (1, L, V) that is sure of a text."""
    row = VOCAB.row(" ".join(words), length)
    return torch.nn.functional.one_hot(row, len(VOCAB)).float()[None]


def random_belief(seed: int, batch: int = 2, sharpness: float = 2.0, length: int = LENGTH) -> torch.Tensor:
    """A belief (B, L, V) of random marginals."""
    logits = torch.randn(batch, length, len(VOCAB), generator=torch.Generator().manual_seed(seed))
    return (sharpness * logits).softmax(-1)
