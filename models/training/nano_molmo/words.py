"""Words to ids: the tokenizer, prompts, and where in them the things are named."""

import json
from dataclasses import dataclass
from pathlib import Path

import torch
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from torch import Tensor

from .architecture import CELLS, HORIZON, POINTS, VOCABULARY
from .model import Prefix

# Of Qwen3: words with the space before them, single digits, runs of other signs.
PATTERN = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
EXTRA = ["<im_start>", "<im_end>", "<im_patch>", "<im_col>", "<low_res_im_start>", "<|image|>", "<im_low>", "<frame_start>", "<frame_end>"]
"""Ids of these follow the padded vocabulary in this order."""


def chat(question: str, style: str) -> str:
    return f"<|im_start|>user\n{style}: {question}<|im_end|>\n<|im_start|>assistant\n"


def policy_text(instruction: str) -> str:
    return chat(instruction, "demo")


def coordinates(frames: list[tuple[int, list[list[int]]]]) -> str:
    """frames: timestamp and, for each point, whole millimetres from the anchor."""
    return ";".join(
        " ".join([f"{stamp:.1f}"] + [f"{p + 1} {x} {y} {z}" for p, (x, y, z) in enumerate(points)]) for stamp, points in frames)


def forecast_text(instruction: str, millimetres: list[list[int]]) -> str:
    """The released prompt for a history of one frame. millimetres: of each point from the first."""
    tracks = f'<tracks coords="{coordinates([(0, millimetres)])}">3d object history</tracks>'
    question = (f"Predict the future 3D point coordinates of {POINTS} points over {HORIZON} timestamps, "
                f'given action: "{instruction}", and history 3d point coordinates: "{tracks}".')
    return chat(question, "video_qa")


def answer_text(millimetres: list[list[list[int]]]) -> str:
    """millimetres[f][p]; the first future frame follows the history's single one."""
    frames = [(f + 1, points) for f, points in enumerate(millimetres)]
    return f'<tracks coords="{coordinates(frames)}">3d object trajectories</tracks>'


def point_text(name: str) -> str:
    """Pointing has no style of its own in the product's prompts."""
    return f"<|im_start|>user\nPoint to the {name}<|im_end|>\n<|im_start|>assistant\n"


def point_answer(name: str, thousandths: list[tuple[int, int]]) -> str:
    """Molmo2's form: coordinates are thousandths of the picture's width and height, of three digits at least."""
    if not thousandths:
        return f"There is no {name}."
    points = " ".join(f"{i + 1} {x:03d} {y:03d}" for i, (x, y) in enumerate(thousandths))
    return f'<points coords="1 {points}">{name}</points>'


def train_tokenizer(texts: list[str], file: Path) -> None:
    """Byte pairs of these texts, in Qwen3's manner; at most as many tokens as the embedding has rows."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(PATTERN), behavior="isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
    ])
    tokenizer.decoder = decoders.ByteLevel(add_prefix_space=False, trim_offsets=False, use_regex=False)
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY - len(SPECIAL), initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False)
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in SPECIAL])
    data = json.loads(tokenizer.to_str())
    data["post_processor"] = None
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(data))


@dataclass
class Named:
    """Ids of a text, and the tokens that end the words for the object and for the receptacle."""

    ids: list[int]
    object: int
    receptacle: int


class Words:
    def __init__(self, file: Path):
        self.tokenizer = Tokenizer.from_file(str(file))
        self.eos = self.tokenizer.token_to_id("<|im_end|>")

    def encode(self, text: str) -> list[int]:
        return self.tokenizer.encode(text, add_special_tokens=False).ids

    def extra(self, token: str) -> int:
        return VOCABULARY + EXTRA.index(token)

    def frames_prefix(self) -> Prefix:
        """One history frame, as MolmoMotion has it."""
        patches = [self.extra("<im_patch>")] * CELLS
        ids = [self.eos, self.extra("<frame_start>"), *self.encode("0.0 "), *patches, self.extra("<frame_end>")]
        return self._prefix(ids)

    def image_prefix(self) -> Prefix:
        """One picture, as Molmo2 has it for pointing."""
        return self._prefix([self.eos, self.extra("<im_start>"), *[self.extra("<im_patch>")] * CELLS, self.extra("<im_end>")])

    def images_prefix(self, count: int) -> Prefix:
        """Pictures of several cameras, as MolmoBot has them."""
        ids = [self.eos]
        for image in range(count):
            ids += [*self.encode(f"Image {image + 1}"), self.extra("<im_start>"), *[self.extra("<im_patch>")] * CELLS, self.extra("<im_end>")]
        return self._prefix(ids)

    def _prefix(self, ids: list[int]) -> Prefix:
        tensor = torch.tensor(ids)
        return Prefix(tensor, tensor >= VOCABULARY, self.extra("<im_patch>"))

    def name(self, text: str, object_label: str, receptacle_label: str) -> Named:
        encoded = self.tokenizer.encode(text, add_special_tokens=False)
        start = text.index(object_label)
        ends = [start + len(object_label), text.index(receptacle_label, start + len(object_label)) + len(receptacle_label)]
        tokens = [max(i for i, (_, end) in enumerate(encoded.offsets) if end <= e and end > 0) for e in ends]
        return Named(encoded.ids, *tokens)
