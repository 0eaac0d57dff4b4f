"""VOC and COCO: boxes, outlines and captions, from stand-ins in their own layouts, through the hub and from folders."""

from __future__ import annotations

import io
import json
import shutil
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
from image_sets import picture
from made_archives import tar_of, zip_of

from numzoo import hub
from numzoo.vision import datasets
from numzoo.vision.errors import DatasetError

ANNOTATION = """<annotation><folder>VOC2012</folder><filename>{name}.jpg</filename>
<size><width>12</width><height>9</height><depth>3</depth></size>
<object><name>cat</name><pose>Left</pose><truncated>1</truncated><difficult>0</difficult>
<bndbox><xmin>1</xmin><ymin>2</ymin><xmax>12</xmax><ymax>9.5</ymax></bndbox></object>
<object><name>tvmonitor</name><difficult>1</difficult>
<bndbox><xmax>5</xmax><xmin>3</xmin><ymin>3</ymin><ymax>5</ymax></bndbox>
<part><name>head</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>2</xmax><ymax>2</ymax></bndbox></part></object>
</annotation>"""
VOC_FILES = {
    2007: "VOCtrainval_06-Nov-2007.tar",
    2008: "VOCtrainval_14-Jul-2008.tar",
    2009: "VOCtrainval_11-May-2009.tar",
    2010: "VOCtrainval_03-May-2010.tar",
    2011: "VOCtrainval_25-May-2011.tar",
    2012: "VOCtrainval_11-May-2012.tar",
}


def voc_archive(year: int, splits: tuple[str, ...], annotation: str = ANNOTATION) -> bytes:
    root = f"{'TrainVal/' if year == 2011 else ''}VOCdevkit/VOC{year}"
    held = io.BytesIO()
    mask = PIL.Image.new("P", (2, 2))
    mask.putpalette([value for value in range(256) for _ in range(3)])
    mask.putdata([0, 20, 255, 8])
    mask.save(held, "PNG")
    members: dict[str, bytes | None] = {}
    for name in ("2007_000027", "2007_000032"):
        members[f"{root}/JPEGImages/{name}.jpg"] = picture(80)
        members[f"{root}/Annotations/{name}.xml"] = annotation.format(name=name).encode()
        members[f"{root}/SegmentationClass/{name}.png"] = held.getvalue()
    for split in splits:
        members[f"{root}/ImageSets/Main/{split}.txt"] = b"2007_000027\n2007_000032\n"
        members[f"{root}/ImageSets/Segmentation/{split}.txt"] = b"2007_000032\n"
    return tar_of(members)


@pytest.mark.parametrize("year", VOC_FILES)
def test_every_year_of_voc_gives_boxes_and_outlines(year: int, recipe: Any, tmp_path: Path) -> None:
    archive = voc_archive(year, ("train", "val", "trainval"))
    manifest = recipe(f"voc{year}", {VOC_FILES[year]: archive})
    for split in ("train", "val", "trainval"):
        made = hub.load_data(f"voc{year}", split, registry=manifest)
        assert len(made) == 2
        image, target = made[0]
        assert image.size == (12, 9)
        assert target["boxes"].tolist() == [[0, 1, 12, 9.5], [2, 2, 5, 5]]
        assert target["boxes"].dtype == np.float32
        assert [made.classes[label] for label in target["labels"]] == ["cat", "tvmonitor"]
        assert (target["truncated"].tolist(), target["difficult"].tolist()) == ([True, False], [False, True])
    made = hub.load_data(f"voc{year}", "val", registry=manifest, target="segmentation")
    assert len(made) == 1
    assert made[0][1].tolist() == [[0, 20], [255, 8]]
    assert made.classes[20] == "tvmonitor"
    (unpacked,) = hub.pull_data(f"voc{year}", registry=manifest).values()
    assert len(datasets.VOC(unpacked, "train", year=year)) == 2


def test_the_test_images_of_voc_2007_come_in_an_archive_of_their_own(recipe: Any) -> None:
    files = {VOC_FILES[2007]: voc_archive(2007, ("train",)), "VOCtest_06-Nov-2007.tar": voc_archive(2007, ("test",))}
    assert len(hub.load_data("voc2007", "test", registry=recipe("voc2007", files))) == 2
    with pytest.raises(ValueError, match="2007 only"):
        datasets.VOC(split="test", year=2012)


HOSTILE = {
    "entities": '<!DOCTYPE a [<!ENTITY b "bbbb"><!ENTITY c "&b;&b;">]><annotation>&c;</annotation>',
    "another file": '<!DOCTYPE a SYSTEM "file:///etc/passwd"><annotation/>',
    "in UTF-16": '<!DOCTYPE a [<!ENTITY b "b">]><annotation>&b;</annotation>',
    "no XML": "<annotation>",
    "no name": "<annotation><object><bndbox/></object></annotation>",
    "no number": ANNOTATION.replace("<xmin>1</xmin>", "<xmin>one</xmin>"),
    "unknown class": ANNOTATION.replace("cat", "unicorn"),
    "too large": f"<annotation>{' ' * (4 << 20)}</annotation>",
}


@pytest.mark.parametrize("why", HOSTILE)
def test_a_hostile_or_damaged_description_is_refused(why: str, tmp_path: Path) -> None:
    from numzoo.vision.datasets.voc import VOC

    path = tmp_path / "a.xml"
    path.write_bytes(HOSTILE[why].encode("utf-16" if why == "in UTF-16" else "utf-8"))
    reader = object.__new__(VOC)
    with pytest.raises(DatasetError, match=r"a\.xml.* is too large" if why == "too large" else r"a\.xml"):
        reader._boxes(path)


def coco_files(year: int) -> dict[str, bytes]:
    categories = [{"id": 90, "name": "toothbrush", "supercategory": "indoor"}, {"id": 1, "name": "person"}]
    images = [
        {"id": 9, "file_name": "000000000009.jpg", "height": 9, "width": 12},
        {"id": 5, "file_name": "000000000005.jpg", "height": 9, "width": 12},
    ]
    square = [2.0, 1.0, 6.0, 1.0, 6.0, 4.0, 2.0, 4.0]
    things = [
        {"id": 1, "image_id": 9, "category_id": 90, "bbox": [2, 1, 4, 3], "area": 12.0, "iscrowd": 0, "segmentation": [square]},
        {
            "id": 2, "image_id": 9, "category_id": 1, "bbox": [0, 0, 12, 9], "area": 100.5, "iscrowd": 1,
            "segmentation": {"size": [9, 12], "counts": [9, 9, 90]},
        },
    ]  # fmt: skip
    said = [{"image_id": 9, "id": 3, "caption": "A brush."}, {"image_id": 9, "id": 4, "caption": "Two things."}]
    notes: dict[str, bytes | None] = {}
    files = {}
    for split in ("train", "val"):
        instances = {"images": images, "annotations": things, "categories": categories}
        notes[f"annotations/instances_{split}{year}.json"] = json.dumps(instances).encode()
        notes[f"annotations/captions_{split}{year}.json"] = json.dumps({"images": images, "annotations": said}).encode()
        files[f"{split}{year}.zip"] = zip_of({f"{split}{year}/00000000000{n}.jpg": picture(20 * n) for n in (5, 9)})
    return {**files, f"annotations_trainval{year}.zip": zip_of(notes)}


@pytest.mark.parametrize("year", [2014, 2017])
@pytest.mark.parametrize("split", ["train", "val"])
def test_coco_gives_boxes_masks_and_captions(year: int, split: str, recipe: Any, tmp_path: Path) -> None:
    manifest = recipe(f"coco{year}", coco_files(year))
    made = hub.load_data(f"coco{year}", split, registry=manifest)
    assert (made.classes, made.category_ids, made.ids) == (("person", "toothbrush"), (1, 90), [5, 9])
    assert made[0][1]["boxes"].shape == (0, 4)
    image, target = made[1]
    assert abs(image.getpixel((0, 0))[0] - 180) <= 3
    assert target["boxes"].tolist() == [[2, 1, 6, 4], [0, 0, 12, 9]]
    assert target["labels"].tolist() == [1, 0]
    assert (target["crowd"].tolist(), target["area"].tolist(), target["image_id"]) == ([False, True], [12.0, 100.5], 9)
    masks = hub.load_data(f"coco{year}", split, registry=manifest, target="masks")
    assert masks[0][1]["masks"].shape == (0, 9, 12)
    first, second = masks[1][1]["masks"]
    assert np.argwhere(first).min(0).tolist() == [1, 2]
    assert np.argwhere(first).max(0).tolist() == [3, 5]
    assert second[:, 1].all()
    assert second.sum() == 9
    said = hub.load_data(f"coco{year}", split, registry=manifest, target="captions")
    assert (said[0][1], said[1][1]) == ([], ["A brush.", "Two things."])
    for path in hub.pull_data(f"coco{year}", registry=manifest).values():
        shutil.copytree(path, tmp_path / "own", dirs_exist_ok=True)
    assert len(datasets.COCO(tmp_path / "own", split, year=year)) == 2


DAMAGED: dict[str, Any] = {
    "a list": [],
    "no images": {"annotations": []},
    "an image that is none": {"images": [5], "annotations": []},
    "an annotation of no image": {"images": [], "annotations": [{"image_id": 7}]},
    "a name that leads out": {
        "images": [{"id": 1, "file_name": "../../x.jpg", "height": 1, "width": 1}],
        "annotations": [],
    },
    "no number": {"images": [{"id": "x", "file_name": "a", "height": 1, "width": 1}], "annotations": []},
}


@pytest.mark.parametrize("why", DAMAGED)
def test_damaged_annotations_of_coco_are_refused(why: str, tmp_path: Path) -> None:
    (tmp_path / "annotations").mkdir()
    (tmp_path / "val2017").mkdir()
    (tmp_path / "annotations/instances_val2017.json").write_text(json.dumps(DAMAGED[why]))
    with pytest.raises(DatasetError, match=r"instances_val2017\.json"):
        datasets.COCO(tmp_path, "val")


def test_a_damaged_annotation_is_refused_when_it_is_asked_for(tmp_path: Path) -> None:
    for name, body in coco_files(2017).items():
        if name.startswith("annotations"):
            zipfile.ZipFile(io.BytesIO(body)).extractall(tmp_path)
    (tmp_path / "val2017").mkdir()
    (tmp_path / "val2017/000000000009.jpg").write_bytes(picture(1))
    path = tmp_path / "annotations/instances_val2017.json"
    for field, value in (("bbox", [1, 2]), ("category_id", 77), ("area", "x"), ("segmentation", [[1, 2, 3]])):
        held = json.loads(path.read_text())
        held["annotations"][0][field] = value
        other = tmp_path / field
        (other / "annotations").mkdir(parents=True)
        shutil.copytree(tmp_path / "val2017", other / "val2017")
        (other / "annotations/instances_val2017.json").write_text(json.dumps(held))
        made = datasets.COCO(other, "val", target="masks")
        with pytest.raises(DatasetError):
            made[1]
