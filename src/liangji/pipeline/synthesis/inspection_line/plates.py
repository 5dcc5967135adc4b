"""Pictures of brushed metal plates with drawn defects, and their boxes in COCO form."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

_WIDTH, _HEIGHT = 320, 240
_CATEGORIES = ("scratch", "pit", "crack", "stain", "inclusion")
_CHINESE = {"scratch": "划伤", "pit": "凹坑", "crack": "裂纹", "stain": "油斑", "inclusion": "夹杂"}
_DRAWN = 128  # a mask pixel from this value on belongs to the defect

Mask = Image.Image


def write_plates(random: Random, seed: int, raw: Path, count: int) -> dict[str, Any]:
    """Write `count` plates, some without a defect, a copy of one, a blurred and a dark one, and `annotations.json` beside them."""
    folder = raw / "plates" / "images"
    folder.mkdir(parents=True, exist_ok=True)
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for number in range(count):
        name = f"plate_{number:04}.png"
        pixels = _brushed_metal(np.random.default_rng([seed, number]))
        for _ in range(random.choice((0, 1, 1, 2, 3))):
            category = random.choice(_CATEGORIES)
            mask = _DRAWERS[category](random)
            if mask.getbbox() is not None:
                pixels = _darkened(pixels, mask, random)
                annotations.append(_annotation(len(annotations) + 1, number + 1, category, mask))
        _save(Image.fromarray(pixels), folder / name)
        images.append({"id": number + 1, "file_name": f"images/{name}", "width": _WIDTH, "height": _HEIGHT})
    issues = _plant_issues(folder, images)
    categories = [{"id": number, "name": name, "supercategory": _CHINESE[name]} for number, name in enumerate(_CATEGORIES, 1)]
    coco = {
        "info": {"description": "simulated surface inspection of metal plates", "version": "1.0", "year": 2025},
        "licenses": [{"id": 1, "name": "CC0-1.0", "url": "https://creativecommons.org/publicdomain/zero/1.0/"}],
        "images": images,
        "annotations": annotations,
        "categories": categories,
    }
    text = json.dumps(coco, ensure_ascii=False, indent=1)
    (raw / "plates" / "annotations.json").write_text(text + "\n", "utf-8")
    defects = {name: sum(box["category_id"] == number for box in annotations) for number, name in enumerate(_CATEGORIES, 1)}
    return {"images": len(images), "defects": defects, "issues": issues}


def _brushed_metal(generator: np.random.Generator) -> NDArray[np.uint8]:
    """Draw horizontal brush marks over a slow change of brightness."""
    rows = generator.normal(0, 9, (_HEIGHT, 1)) + generator.normal(0, 3, (_HEIGHT, _WIDTH))
    slope = np.linspace(-8, 8, _WIDTH)[None, :] * generator.uniform(-1, 1)
    return np.clip(150 + rows + slope, 40, 230).astype(np.uint8)


def _darkened(pixels: NDArray[np.uint8], mask: Mask, random: Random) -> NDArray[np.uint8]:
    share = np.asarray(mask, np.float64) / 255 * random.uniform(0.45, 0.75)
    return (pixels * (1 - share)).astype(np.uint8)


def _annotation(number: int, image: int, category: str, mask: Mask) -> dict[str, Any]:
    drawn = np.asarray(mask) >= _DRAWN
    columns, rows = np.flatnonzero(drawn.any(axis=0)), np.flatnonzero(drawn.any(axis=1))
    left, top = int(columns[0]), int(rows[0])
    width, height = int(columns[-1]) - left + 1, int(rows[-1]) - top + 1
    return {
        "id": number,
        "image_id": image,
        "category_id": _CATEGORIES.index(category) + 1,
        "bbox": [left, top, width, height],
        "area": int(drawn.sum()),
        "iscrowd": 0,
    }


def _empty() -> tuple[Mask, ImageDraw.ImageDraw]:
    mask = Image.new("L", (_WIDTH, _HEIGHT), 0)
    return mask, ImageDraw.Draw(mask)


def _scratch(random: Random) -> Mask:
    mask, draw = _empty()
    x, y = random.randint(20, _WIDTH - 120), random.randint(20, _HEIGHT - 60)
    draw.line([(x, y), (x + random.randint(40, 100), y + random.randint(-15, 40))], fill=255, width=random.randint(1, 3))
    return mask


def _pit(random: Random) -> Mask:
    mask, draw = _empty()
    x, y, radius = random.randint(20, _WIDTH - 20), random.randint(20, _HEIGHT - 20), random.randint(3, 9)
    draw.ellipse([x - radius, y - radius, x + radius, y + radius], fill=255)
    return mask


def _crack(random: Random) -> Mask:
    mask, draw = _empty()
    points = [(random.randint(30, _WIDTH - 60), random.randint(20, _HEIGHT - 90))]
    for _ in range(random.randint(5, 9)):
        points.append((points[-1][0] + random.randint(-9, 9), points[-1][1] + random.randint(4, 10)))
    draw.line(points, fill=255, width=2)
    return mask


def _stain(random: Random) -> Mask:
    mask, draw = _empty()
    x, y = random.randint(40, _WIDTH - 40), random.randint(40, _HEIGHT - 40)
    width, height = random.randint(12, 28), random.randint(8, 20)
    draw.ellipse([x - width, y - height, x + width, y + height], fill=255)
    return mask.filter(ImageFilter.GaussianBlur(3))


def _inclusion(random: Random) -> Mask:
    mask, draw = _empty()
    x, y = random.randint(30, _WIDTH - 60), random.randint(30, _HEIGHT - 30)
    corners = [(x + random.randint(0, 26), y + random.randint(0, 14)) for _ in range(6)]
    draw.polygon(corners, fill=255)
    draw.line([(x, y), (x + 24, y + 6)], fill=255, width=2)
    return mask


_DRAWERS: dict[str, Callable[[Random], Mask]] = {
    "scratch": _scratch,
    "pit": _pit,
    "crack": _crack,
    "stain": _stain,
    "inclusion": _inclusion,
}


def _plant_issues(folder: Path, images: list[dict[str, Any]]) -> dict[str, str]:
    """Add a copy of the first plate, and blurred, dark and cut versions of the next ones, each as a file of its own."""
    sources = [Image.open(folder / Path(image["file_name"]).name) for image in images[:3]]
    _save(sources[0], folder / "plate_copy.png")
    _save(sources[1].filter(ImageFilter.GaussianBlur(6)), folder / "plate_blurred.png")
    _save(sources[2].point([value // 6 for value in range(256)]), folder / "plate_dark.png")
    whole = (folder / "plate_dark.png").read_bytes()
    (folder / "plate_cut.png").write_bytes(whole[: len(whole) // 2])
    names = {
        "plate_copy.png": "exact_duplicate",
        "plate_blurred.png": "blurred",
        "plate_dark.png": "dark",
        "plate_cut.png": "truncated",
    }
    return {f"plates/images/{name}": kind for name, kind in names.items()}


def _save(image: Image.Image, path: Path) -> None:
    content = io.BytesIO()
    image.save(content, "PNG", compress_level=6)
    path.write_bytes(content.getvalue())
