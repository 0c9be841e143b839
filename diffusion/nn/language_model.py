"""A pretrained encoder-decoder language model, opened and used as it is: it reads text, and writes text from features.

The bundled one has T5's architecture over our own words, slot markers and one sentinel, so that words can be pinned while it
writes. Any other `AutoModelForSeq2SeqLM` (BART, T5, FLAN-T5) can stand in its place by name or folder; its tokens are not our
words, so such a model writes but takes no word-level control.

Source: Raffel et al. (2020), T5; Lewis et al. (2020), BART; architectures from Hugging Face transformers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from diffusion.core.errors import StudioError
from diffusion.nn.backbone import network_precision
from diffusion.text import source
from diffusion.text.labels import LabelSet
from diffusion.text.vocab import END, PAD, UNK, Vocabulary


@dataclass(frozen=True, slots=True)
class LanguageModelConfig:
    """Sizes of the bundled language model, or the name of another.

    Attributes:
        name: of a foreign model, a Hub id or a folder; empty for the bundled one, and then the sizes count.
        layers: of the encoder, and as many of the decoder.
        length: positions of a text in its own tokens; longer texts are cut by a foreign tokenizer.
    """

    name: str = ""
    width: int = 192
    layers: int = 3
    heads: int = 4
    length: int = 64


@dataclass(frozen=True, slots=True)
class PaperDecoding:
    """How the released LD4LG writes from latents (its `diffusion/constant.py`)."""

    num_beams: int = 4
    no_repeat_ngram_size: int = 3
    repetition_penalty: float = 1.2
    min_length: int = 5


class LanguageModel(nn.Module):
    """An encoder-decoder: `encode` reads, `logits` scores, `write` writes. B rows, N tokens of its own, W its width."""

    network: nn.Module

    def __init__(self, config: LanguageModelConfig, vocab: Vocabulary, labels: LabelSet) -> None:
        """Raises:
            StudioError: the foreign model cannot be opened.
        """
        super().__init__()
        self.config, self.vocab, self.labels, self.autocast = config, vocab, labels, False
        self.tokenizer: Any = None
        if config.name:
            network, self.tokenizer = _foreign(config.name)
            object.__setattr__(self, "network", network)     # no submodule: a checkpoint names it and holds no copy of it
        else:
            self.network = _bundled(config, source.size(vocab, labels) + 1)
        settings = self.network.config
        self.width, self.size = int(settings.hidden_size), int(settings.vocab_size)
        self.pad, self.end, self.begin = settings.pad_token_id, settings.eos_token_id, settings.decoder_start_token_id

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> LanguageModel:
        if self.foreign:
            self.network._apply(fn)                          # moves to a device with the rest, though it is no submodule
        return super()._apply(fn, recurse)

    @property
    def foreign(self) -> bool:
        """Whether its tokens are not our words."""
        return self.tokenizer is not None

    @property
    def sentinel(self) -> int:
        """The bundled model's id for a span that was taken out."""
        return self.size - 1

    # ---- its tokens and ours

    def texts(self, tokens: Tensor) -> Tensor:
        """Our texts (B, L) in its own tokens (B, N), END included, PAD behind; N is that of the longest."""
        if self.foreign:
            return self._tokenised([self.vocab.text(row) for row in tokens.tolist()], tokens.device)
        return tokens[:, : int((tokens != PAD).sum(1).max())]

    def sources(self, rows: Tensor) -> Tensor:
        """Sources (B, M) of `diffusion.text.source` in its own tokens (B, N)."""
        if self.foreign:
            return self._tokenised([source.text(row, self.vocab, self.labels) for row in rows], rows.device)
        return rows[:, : int((rows != PAD).sum(1).max())]

    def _tokenised(self, texts: list[str], device: torch.device) -> Tensor:
        ids = self.tokenizer(texts, padding=True, truncation=True, max_length=self.config.length, return_tensors="pt").input_ids
        return ids.to(device)

    def tokens(self, ids: Tensor, length: int) -> Tensor:
        """Its own tokens (B, N) as our texts (B, L); words of a foreign model that are not ours become UNK."""
        if not self.foreign:
            behind = torch.full((len(ids), max(0, length - ids.shape[1])), PAD, device=ids.device)
            return torch.cat([ids, behind], 1)[:, :length]
        rows = []
        for text in self.tokenizer.batch_decode(ids, skip_special_tokens=True):
            words = self.vocab.encode(text)[: length - 1] or [UNK]
            rows.append(torch.tensor([*words, END, *[PAD] * (length - len(words) - 1)]))
        return torch.stack(rows).to(ids.device)

    # ---- reading and writing

    def encode(self, ids: Tensor) -> tuple[Tensor, Tensor]:
        """The encoder's features (B, N, W) of ids (B, N), and a mask (B, N) that is true for all but PAD."""
        mask = ids != self.pad
        with network_precision(ids.device, self.autocast):
            features = self.network.get_encoder()(input_ids=ids, attention_mask=mask.long()).last_hidden_state
        return features.float(), mask

    def logits(self, features: Tensor, ids: Tensor, mask: Tensor | None = None) -> Tensor:
        """Next-token logits (B, N, size) of each of the ids (B, N) given those before it, from features (B, K, W)."""
        begin = torch.full_like(ids[:, :1], self.begin)
        with network_precision(ids.device, self.autocast):
            return self._decoder(features, torch.cat([begin, ids[:, :-1]], 1), mask).logits.float()

    def _decoder(self, features: Tensor, inputs: Tensor, mask: Tensor | None = None, **options: Any) -> Any:
        from transformers.modeling_outputs import BaseModelOutput

        readable = None if mask is None else mask.long()
        return self.network(encoder_outputs=BaseModelOutput(features), attention_mask=readable, decoder_input_ids=inputs,
                            **options)

    @torch.no_grad()
    def write(self, features: Tensor, length: int, ruled_out: Tensor | None = None) -> Tensor:
        """The text that the decoder writes greedily from features (B, K, W), (B, N) with N at most `length`.

        Args:
            ruled_out: added to the logits, -inf where a token may not stand; (length, size) or (B, length, size).
        """
        ids = torch.full((len(features), 1), self.begin, device=features.device)
        ended = torch.zeros(len(features), dtype=torch.bool, device=features.device)
        written, memory = [], None
        for place in range(length):
            output = self._decoder(features, ids, past_key_values=memory, use_cache=True)
            memory, logits = output.past_key_values, output.logits[:, -1].float()
            if ruled_out is not None:
                logits = logits + ruled_out[..., place, :]
            ids = logits.argmax(-1).masked_fill(ended, self.pad)[:, None]
            written.append(ids)
            ended = ended | (ids[:, 0] == self.end)
            if bool(ended.all()):
                break
        return torch.cat(written, 1)

    @torch.no_grad()
    def write_as_in_the_paper(self, features: Tensor, length: int, suppress: list[int] | None = None) -> Tensor:
        """The text by beam search with the paper's settings, (B, N); `suppress` names tokens that are never written."""
        from transformers.modeling_outputs import BaseModelOutput

        how = PaperDecoding()
        written = self.network.generate(
            encoder_outputs=BaseModelOutput(features), max_length=length + 1, num_beams=how.num_beams, do_sample=False,
            no_repeat_ngram_size=how.no_repeat_ngram_size, repetition_penalty=how.repetition_penalty,
            min_length=how.min_length, suppress_tokens=suppress or None)
        return written[:, 1:]


def _bundled(config: LanguageModelConfig, size: int) -> nn.Module:
    """T5's architecture at our size. Eager attention: the backward of torch's fused one is slow on a CPU."""
    from transformers import T5Config, T5ForConditionalGeneration

    network = T5ForConditionalGeneration._from_config(attn_implementation="eager", config=T5Config(
        vocab_size=size, d_model=config.width, d_kv=config.width // config.heads, d_ff=8 * config.width // 3,
        num_layers=config.layers, num_decoder_layers=config.layers, num_heads=config.heads, dropout_rate=0.0,
        relative_attention_max_distance=config.length, pad_token_id=PAD, eos_token_id=END, decoder_start_token_id=PAD))
    _ready_to_copy(network)
    return network


@torch.no_grad()
def _ready_to_copy(network: nn.Module) -> None:
    """Lets heads begin with their neighbours in view, and queries and keys with weights of one size.

    T5's own initialisation is made for Adafactor. Adam moves a number by no more than its learning rate a step: the position
    biases, which must find the word before, then take thousands of steps to grow, and small query weights get too noisy.
    After 300 steps of 32 rows, undamaged text cost 2.0 nats a word as T5 starts, and 0.5 as begun here.
    """
    equal = network.config.d_kv**0.25
    for name, weight in network.named_parameters():
        if name.endswith(("q.weight", "k.weight")):
            weight.mul_(equal if name.endswith("q.weight") else 1 / equal)
    reads, writes = (part.block[0].layer[0].SelfAttention.relative_attention_bias.weight
                     for part in (network.encoder, network.decoder))
    behind = network.config.relative_attention_num_buckets // 2 + 1           # the bucket of the next word; 1 is the last's
    for bias, bucket, head in ((reads, 1, 0), (reads, behind, 1), (writes, 0, 0), (writes, 1, 1)):
        bias[bucket, head % bias.shape[1]] += 5


def _foreign(name: str) -> tuple[nn.Module, Any]:
    """A frozen model and its tokenizer, by the name of a Hub repository or by a folder.

    Raises:
        StudioError: there is none, or it is no encoder-decoder.
    """
    from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

    try:
        network = AutoModelForSeq2SeqLM.from_pretrained(name, use_safetensors=True)
        tokenizer = AutoTokenizer.from_pretrained(name)
    except (OSError, ValueError, KeyError) as error:
        raise StudioError(f"The language model '{name}' could not be opened as an encoder-decoder "
                          f"({' '.join(str(error).split())[:200]}). Give a T5 or BART by its Hub name or folder.") from error
    return network.eval().requires_grad_(False), tokenizer
