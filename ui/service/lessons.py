"""What each paper is about: its idea in three sentences, its two equations, where it stands. Written here and nowhere else.

Equations are LaTeX, in the time of this project: t = 1 is noise, t = 0 is text, s is the next time below t.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Lesson:
    """A paper for a visitor.

    Attributes:
        idea: three sentences.
        forward, reverse: how noise is made, and how it is taken away, in LaTeX.
        noise: what a noisy text looks like in the playground, one sentence; empty for a process without noise.
        paper: title, authors and year; empty for a model that no paper is about. `arxiv` is its number there.
    """

    idea: tuple[str, str, str]
    forward: str
    reverse: str
    noise: str = ""
    paper: str = ""
    arxiv: str = ""


LESSONS: dict[str, Lesson] = {
    "diffusion-lm": Lesson(
        ("Every word is a point in a small space that is learned together with the model, and a text is a row of such points.",
         "Noise moves the points until nothing is left of them; a network looks at all noisy points at once and says what each of "
         "them was.",
         "On the way back each step draws the points a little nearer to what the network believes, so that a wish about any word "
         "can be heard at every step."),
        r"x_t = \sqrt{\bar\alpha_t}\,E_w + \sqrt{1-\bar\alpha_t}\,\varepsilon, \qquad "
        r"\bar\alpha_t = \frac{1-\sqrt{t+10^{-4}}}{1-10^{-2}}",
        r"p_\theta(x_s \mid x_t) = q(x_s \mid x_t, \hat x_0), \qquad \hat x_0 = \sum_v p_\theta(v \mid x_t)\,E_v",
        "Each word's vector is shrunk and jittered. Shown is the word whose vector is nearest to the noisy one.",
        "Diffusion-LM Improves Controllable Text Generation. Li, Thickstun, Gulrajani, Liang, Hashimoto, 2022", "2205.14217"),
    "seqdiffuseq": Lesson(
        ("It writes a text that answers a source: an encoder reads the source once, and a decoder takes the noise off the words "
         "while it looks there.",
         "While it is trained it measures how hard every position is at every time, and refits the noise of each position until "
         "the difficulty grows evenly.",
         "Each step may also look at what the step before believed, which makes few steps go a long way."),
        r"x_{t,\ell} = \sqrt{\bar\alpha_{t,\ell}}\,E_{w_\ell} + \sqrt{1-\bar\alpha_{t,\ell}}\,\varepsilon_\ell \quad "
        r"\text{at position } \ell",
        r"p_\theta(x_s \mid x_t, \text{source}) = q\bigl(x_s \mid x_t,\ \hat x_0(x_t, \hat x_0^{\text{before}}, t, "
        r"\text{source})\bigr)",
        "As in Diffusion-LM, but every position has a noise schedule of its own, fitted while the model was trained.",
        "SeqDiffuSeq: Text Diffusion with Encoder-Decoder Transformers. Yuan, Yuan, Tan, Huang, Huang, 2022", "2212.10325"),
    "ld4lg": Lesson(
        ("A language model's encoder and a resampler pack a whole sentence into a few vectors, and its decoder can write the "
         "sentence out again.",
         "Diffusion works on these vectors only: it never sees a word, and the decoder turns the finished vectors into text.",
         "A sentence stays a sentence even when the vectors are a little off, but no vector belongs to one word, so wishes about "
         "single words are preferences."),
        r"z_t = \sqrt{\bar\alpha_t}\,x + \sqrt{1-\bar\alpha_t}\,\varepsilon, \qquad x = \mathrm{resampler}(\mathrm{enc}(w)), "
        r"\quad \bar\alpha_t = \cos^2\tfrac{\pi t}{2}",
        r"\hat x = \sqrt{\bar\alpha_t}\,z_t - \sqrt{1-\bar\alpha_t}\,\hat v_\theta(z_t, t), \qquad "
        r"w \sim p_{\mathrm{dec}}(w \mid \hat x)",
        "Noise falls on the sentence's vectors as a whole. Shown is what a small probe, trained with the autoencoder, reads "
        "in them at each place.",
        "Latent Diffusion for Language Generation. Lovelace, Kishore, Wan, Shekhtman, Weinberger, 2023", "2212.09462"),
    "sedd": Lesson(
        ("There is no space of vectors: a word stands there or it is hidden behind a mask, and noise hides one word after another.",
         "The network learns the ratios between the probabilities of texts that differ in one word, which for masks means: what "
         "stands behind each of them.",
         "Going back, each step uncovers some of the hidden words for good, drawn from what the network believes."),
        r"q(x_{t,\ell} = \text{mask} \mid w_\ell) = 1 - e^{-\bar\sigma(t)} = (1-\epsilon)\,t",
        r"p_\theta(x_{s,\ell} = y \mid x_t) = \bigl(e^{\bar\sigma(t)-\bar\sigma(s)} - 1\bigr)\, s_\theta(x_t, t)_{\ell,y} = "
        r"\frac{t-s}{t}\; p_\theta(w_\ell = y \mid x_t)",
        "Each word is whole until the moment it vanishes behind a mask; nothing is in between.",
        "Discrete Diffusion Modeling by Estimating the Ratios of the Data Distribution. Lou, Meng, Ermon, 2024", "2310.16834"),
    "rdlm": Lesson(
        ("Every word is written in a few digits, and every digit is a point on a sphere whose corners are the digit's values.",
         "All points start at one pole, the mask; a random walk on the sphere carries each to the corner of its digit.",
         "Where the true walk knows its corner, the model pulls towards all corners at once, each by how far it believes in it."),
        r"\mathrm{d}X_\tau = \gamma_\tau \log_{X_\tau}(e_k)\,\mathrm{d}\tau + \sqrt{\beta_\tau}\,\mathrm{d}B_\tau, \qquad "
        r"\tau = 1 - t",
        r"\mathrm{d}X_\tau = \gamma_\tau \sum_k p_\theta(k \mid X_\tau)\,\log_{X_\tau}(e_k)\,\mathrm{d}\tau + "
        r"\sqrt{\beta_\tau}\,\mathrm{d}B_\tau",
        "Each digit's point leaves its corner and wanders to the pole. Shown is the word whose corners the points speak for most.",
        "Continuous Diffusion Model for Language Modeling. Jo, Hwang, 2025", "2502.11564"),
    "ar": Lesson(
        ("No diffusion at all: this model writes from left to right, one word after the other, as language models usually do.",
         "It has the size and the words of the others and learned from the same rows, so that a comparison compares the way of "
         "writing.",
         "What it has written it cannot change, and what comes later it cannot see."),
        r"p_\theta(w) = \prod_{\ell} p_\theta(w_\ell \mid w_1, \dots, w_{\ell-1})",
        r"\mathcal{L} = -\sum_{\ell} \log p_\theta(w_\ell \mid w_1, \dots, w_{\ell-1})"),
    "oracle": Lesson(
        ("A model without a network: its language has a handful of sentences, so that the best possible belief can be computed.",
         "It adds noise to words as Diffusion-LM does, and then asks with Bayes' rule which sentences the noisy points could be.",
         "What goes wrong with it is the sampler's doing alone, which makes it the ruler that the others are measured with."),
        r"x_t = \sqrt{\bar\alpha_t}\,E_w + \sqrt{1-\bar\alpha_t}\,\varepsilon",
        r"p(w \mid x_t) = \frac{p(w)\, \mathcal{N}(x_t;\ \sqrt{\bar\alpha_t}\,E_w,\ (1-\bar\alpha_t) I)}"
        r"{\sum_{w'} p(w')\, \mathcal{N}(x_t;\ \sqrt{\bar\alpha_t}\,E_{w'},\ (1-\bar\alpha_t) I)}",
        "As in Diffusion-LM, on the oracle's own few words."),
}
