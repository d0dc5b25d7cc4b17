"""Requests and answers as the description of the interface shows them; tests hold them to their schemas."""

from typing import Any

_UPRIGHT: dict[str, Any] = {"rotation": 0, "mirrored": False}
_SUMMARY: dict[str, Any] = {
    "image_id": 17,
    "name": "lake.jpg",
    "format": "jpeg",
    "width": 4000,
    "height": 3000,
    "size": 2_481_223,
    "state": "present",
    "path": None,
    "file": "/v1/images/17/file",
    "thumbnail": "/v1/images/17/thumbnail?v=9f86d081",
}
_IMAGE: dict[str, Any] = {
    **_SUMMARY,
    "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "taken_at": "2020-05-17T14:03:22",
    "added_at": "2026-01-09T08:15:00Z",
    "is_upload": True,
    "tags": ["lake", "mountain"],
    "features": {"phash": {"state": "done", "reason": ""}, "color": {"state": "done", "reason": ""}},
}
_TAGS: list[dict[str, Any]] = [
    {"tag": "mountain", "source": "user", "score": 1.0},
    {"tag": "lake", "source": "general", "score": 0.83},
]
_CAPTIONS: list[dict[str, Any]] = [
    {"text": "a lake in front of mountains", "source": "florence2-base-ft", "score": -0.41}
]
_DETAIL: dict[str, Any] = {
    **_IMAGE,
    "tag_details": _TAGS,
    "captions": _CAPTIONS,
    "words": "/v1/images/17/words",
}
_LINE: dict[str, Any] = {
    "text": "Lake Street",
    "quad": [[0.1, 0.2], [0.4, 0.2], [0.4, 0.25], [0.1, 0.25]],
    "confidence": 0.97,
    "script": "Latn",
    "language": "en",
}
_GEOMETRY: dict[str, Any] = {
    "relation": "within",
    "inliers": 84,
    "log10_chance": -61.5,
    "transform": [[1.0, 0.0, 1000.0], [0.0, 1.0, 500.0], [0.0, 0.0, 1.0]],
    "query_in_image": [[1000.0, 500.0], [3000.0, 500.0], [3000.0, 2000.0], [1000.0, 2000.0]],
    "image_in_query": [[-1000.0, -500.0], [3000.0, -500.0], [3000.0, 2500.0], [-1000.0, 2500.0]],
    "query_overlap": 1.0,
    "image_overlap": 0.25,
    "is_mirrored": False,
    "turn_deg": 0.0,
    "correlation": 0.98,
    "is_copy": True,
}
_PLACE: dict[str, Any] = {"x": 1000, "y": 500, "width": 2000, "height": 1500}
_EVIDENCE: list[dict[str, Any]] = [
    {
        "kind": "local_features",
        "distance": 0.0,
        "score": 0.99,
        "rank": 1,
        "verdict": "part",
        "orientation": _UPRIGHT,
        "geometry": _GEOMETRY,
        "words": [],
        "copy_llr": 9.12,
        "alike_llr": 4.36,
        "is_imported": False,
    },
    {
        "kind": "color",
        "distance": 0.21,
        "score": 0.895,
        "rank": 1,
        "verdict": "same_colors",
        "orientation": _UPRIGHT,
        "geometry": None,
        "words": [],
        "copy_llr": 3.42,
        "alike_llr": 0.38,
        "is_imported": False,
    },
]
_MATCH: dict[str, Any] = {
    "image_id": 17,
    "verdict": "part",
    "score": 0.99,
    "odds": 4.62,
    "orientation": _UPRIGHT,
    "place": _PLACE,
    "evidence": _EVIDENCE,
    "copies": [],
    "image": _SUMMARY,
}
_STATUSES: list[dict[str, Any]] = [
    {"kind": "color", "state": "ok", "message": "", "pending": 0, "took_s": 0.004},
    {"kind": "local_features", "state": "ok", "message": "", "pending": 0, "took_s": 0.062},
    {
        "kind": "image_text_features",
        "state": "late",
        "message": "no answer within 10 s (search.deadline_s)",
        "pending": 0,
        "took_s": 10.0,
    },
]
_SEARCH: dict[str, Any] = {
    "matches": [_MATCH],
    "kinds": _STATUSES,
    "took_s": 0.071,
    "next": "AaJxu0fT5q3wAAAAGAi3X_B42mNkAAAAAgAB",
}
_ADDED: dict[str, Any] = {
    "image_id": 18,
    "is_new": True,
    "same_file_of": [],
    "duplicates": [{**_MATCH, "verdict": "same_picture", "place": None, "evidence": _EVIDENCE[1:]}],
    "kinds": {"phash": {"state": "done", "reason": ""}, "color": {"state": "done", "reason": ""}},
    "asked": _STATUSES[:2],
}
_REFUSED: dict[str, Any] = {
    "type": "urn:ambience:problem:unsupported_format",
    "title": "Unsupported format",
    "status": 415,
    "detail": "notes.txt: no picture format that is read",
    "code": "unsupported_format",
}
_COMPARISON: dict[str, Any] = {
    "query": {"name": "cut.jpg", "width": 2000, "height": 1500},
    "image": {"name": "lake.jpg", "width": 4000, "height": 3000},
    "verdict": "part",
    "score": 0.99,
    "orientation": _UPRIGHT,
    "place": _PLACE,
    "geometry": _GEOMETRY,
    "alignment": None,
    "matches": [{"query": [10.0, 12.0], "image": [1010.0, 512.0]}],
    "colors": [],
    "evidence": _EVIDENCE,
    "notes": {},
}

ANSWERS: dict[str, dict[str, Any]] = {
    "add_image": _ADDED,
    "add_images": {
        "outcomes": [
            {"index": 0, "field": "a", "name": "lake.jpg", "status": 201, "image": _ADDED, "problem": None},
            {
                "index": 1,
                "field": "b",
                "name": "notes.txt",
                "status": 415,
                "image": None,
                "problem": _REFUSED,
            },
        ],
        "added": 1,
        "known": 0,
        "failed": 1,
    },
    "list_images": {"images": [_IMAGE], "next": 17, "total": 4021},
    "show_image": _DETAIL,
    "change_image": _DETAIL,
    "show_words": {
        "lines": [_LINE],
        "tags": _TAGS,
        "captions": _CAPTIONS,
        "annotators": {"text": {"state": "done", "reason": ""}, "tags": {"state": "done", "reason": ""}},
        "source_url": "",
    },
    "compare_stored": _COMPARISON,
    "compare_sent": _COMPARISON,
    "search": _SEARCH,
    "search_by_link": _SEARCH,
    "list_kinds": {
        "kinds": [
            {
                "kind": "phash",
                "title": "Copies, however they were resized, re-encoded, turned or mirrored",
                "dim": 576,
                "metric": "hamming",
                "version": 1,
                "model": "",
                "fingerprint": "phash-scaled-v1",
                "port": 33336,
                "accepts_text": False,
                "note": "",
                "service": None,
            }
        ]
    },
    "list_jobs": {
        "jobs": [
            {
                "job_id": 3,
                "name": "train",
                "subject": "local_features",
                "state": "running",
                "done": 12_000,
                "total": 48_000,
                "message": "",
                "updated_at": "2026-01-09T08:15:00+00:00",
            }
        ]
    },
    "show_info": {
        "version": "0.1.0",
        "images": 4021,
        "missing": 0,
        "failed_files": 2,
        "disk_bytes": 1_204_224,
        "seq": 4400,
        "kinds": {
            "phash": {
                "title": "Copies, however they were resized, re-encoded, turned or mirrored",
                "engine": "binary",
                "entries": 4021,
                "states": {"done": 4021},
                "model": "",
                "coming": None,
                "left_behind": 0,
                "note": "",
                "service": None,
                "imported": 0,
            }
        },
        "annotators": {"text": {"states": {"done": 4000, "pending": 21}, "waits": ""}},
        "max_k": 1000,
        "max_upload_bytes": 104_857_600,
        "folder": None,
    },
    "list_models": {
        "models": [
            {
                "name": "siglip2-b32-256",
                "title": "SigLIP 2 B/32",
                "task": "image_text_embedding",
                "size": 1_505_000_000,
                "is_size_exact": False,
                "licence": "Apache-2.0",
                "dim": 768,
                "source": "https://huggingface.co/google/siglip2-base-patch32-256",
                "is_installed": False,
                "comes_with_ambience": False,
                "used_by": [],
                "parts": [],
                "note": "",
                "install": "ambience models install siglip2-b32-256",
            }
        ]
    },
    "list_duplicates": {
        "groups": [
            {
                "group_id": 4,
                "keep": 17,
                "reason": "more pixels",
                "image": _SUMMARY,
                "members": [
                    {
                        "image_id": 4,
                        "copy_of": 17,
                        "verdict": "same_picture",
                        "score": 0.98,
                        "kind": "phash",
                        "orientation": _UPRIGHT,
                        "image": {**_SUMMARY, "image_id": 4, "width": 800, "height": 600, "size": 90_211},
                    }
                ],
            }
        ],
        "next": None,
        "total": 1,
        "pending": 0,
    },
    "resolve_duplicates": {
        "dry_run": False,
        "steps": [
            {
                "image_id": 12,
                "kept": 31,
                "outcome": "trashed",
                "reason": "",
                "entry": 3,
                "name": "lake-small.jpg",
                "size": 90_211,
            },
            {
                "image_id": 57,
                "kept": 31,
                "outcome": "refused",
                "reason": "its file is gone",
                "entry": None,
                "name": "lake-copy.jpg",
                "size": 2_481_223,
            },
        ],
        "bytes": 90_211,
    },
    "list_trash": {
        "entries": [
            {
                "entry": 3,
                "batch": 3,
                "image_id": 12,
                "kept": 31,
                "name": "lake-small.jpg",
                "size": 90_211,
                "trashed_at": "2026-01-09T08:15:00Z",
            }
        ],
        "next": None,
        "total": 1,
        "bytes": 90_211,
    },
    "restore_duplicates": {
        "dry_run": False,
        "steps": [
            {
                "image_id": 12,
                "kept": 31,
                "outcome": "restored",
                "reason": "",
                "entry": 3,
                "name": "lake-small.jpg",
                "size": 90_211,
            }
        ],
        "bytes": 90_211,
    },
    "log_in": {"name": "phone", "scopes": ["read"], "expires_at": None},
    "show_kind": {"kind": "phash", "fingerprint": "phash-scaled-v1", "protocol": 1},
    "search_kind": {
        "kind": "phash",
        "fingerprint": "phash-scaled-v1",
        "protocol": 1,
        "hits": [
            {
                "image_id": 17,
                "distance": 12.0,
                "rotation": 90,
                "mirrored": False,
                "quality": 0.9,
                "geometry": None,
                "verdict": None,
                "plain_distance": None,
                "is_imported": False,
            }
        ],
        "pending": 0,
        "took_s": 0.003,
        "note": "",
    },
    "put_picture": {
        "kind": "phash",
        "fingerprint": "phash-scaled-v1",
        "protocol": 1,
        "image_id": 17,
        "state": "done",
        "reason": "",
    },
    "annotate": {
        "name": "tags",
        "protocol": 1,
        "lines": [],
        "tags": [{"text": "lake", "source": "starter", "score": 0.93}],
        "caption": None,
    },
}
"""By operation, the document of its answer."""

REQUESTS: dict[str, dict[str, Any]] = {
    "log_in": {"application/json": {"key": "amb_…"}},
    "stream": {"multipart/form-data": {"image": "(bytes)", "k": 20}},
    "change_image": {"application/json": {"tags": ["lake", "winter"], "caption": "a lake in winter"}},
    "add_image": {
        "multipart/form-data": {"image": "(bytes)", "image_id": 17, "name": "lake.jpg", "tags": ["lake"]}
    },
    "add_images": {
        "multipart/form-data": {
            "a": "(bytes)",
            "b": "(bytes)",
            "items": {"a": {"image_id": 17}},
            "tags": ["sea"],
        }
    },
    "compare_sent": {"multipart/form-data": {"image": "(bytes)"}},
    "search": {"multipart/form-data": {"image": "(bytes)", "region": "0.5,0,0.5,1", "k": 20}},
}
"""By operation and media type, the fields of a request."""
