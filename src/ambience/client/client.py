"""The client: one method for each operation of /v1, held to the server's own description by a test."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

import httpx

from ambience.client import models
from ambience.client.batches import batches_of, items_of
from ambience.client.connection import Connection
from ambience.client.documents import read
from ambience.client.duplicates import DuplicateClient
from ambience.client.operations import asks
from ambience.client.pictures import NewImage, Part, Picture, Region, Sent, name_of
from ambience.client.questions import question


class Client(DuplicateClient):
    """Asks a server; a context manager that threads may share.

    A request that is refused as too much at once (429, 503 with Retry-After), or that finds no server, is
    tried again where asking twice is as good as once: everything but adding without an id.

    Args:
        base_url: of the server.
        key: API key, where the server wants one.
        timeout_s: without a byte, after which a request is given up.
        tries: of a request, at most.
        transport: of httpx, in place of the network.
    """

    def __init__(
        self,
        base_url: str = "http://127.0.0.1:44444",
        *,
        key: str | None = None,
        timeout_s: float = 60.0,
        tries: int = 4,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        super().__init__(Connection(base_url, key=key, timeout_s=timeout_s, tries=tries, transport=transport))

    # --- add and change -----------------------------------------------------------------------------------

    @asks("add_image")
    def add(
        self,
        picture: Picture,
        *,
        name: str | None = None,
        image_id: int | None = None,
        tags: Sequence[str] = (),
    ) -> models.AddedImage:
        """Adds a picture; durable when it returns.

        Args:
            picture: bytes or a file.
            name: what people call it; the file's name by default.
            image_id: its id; the next one by default. With one, adding the same bytes again is no error.
            tags: given by people.

        Returns:
            Its id, and the copies that the library held before.

        Raises:
            ImageError: it is no usable picture.
            ImageIdTakenError: the id belongs to other bytes.
        """
        fields: dict[str, Any] = {"name": name or name_of(picture), "tags": list(tags)}
        fields |= {} if image_id is None else {"image_id": str(image_id)}
        form = Sent(fields, {"image": picture})
        return self._read(
            models.AddedImage, "POST", "/v1/images", form=form, is_repeatable=image_id is not None
        )

    @asks("add_images")
    def add_many(
        self, images: Iterable[NewImage | Picture], *, tags: Sequence[str] = ()
    ) -> Iterator[models.Outcome]:
        """Adds many pictures, some dozens in one request.

        Args:
            images: with what is said of each, as `items` of the request.
            tags: for all of them.

        Yields:
            What became of each, in their order; one that could not be added has a `problem`.

        Raises:
            QueryError: what is said of them cannot be.
        """
        begin = 0
        for batch in batches_of(images):
            fields = {"items": json.dumps(items_of(batch)), "tags": list(tags)}
            form = Sent(fields, {f"f{place}": each.picture for place, each in enumerate(batch)})
            is_repeatable = all(each.image_id is not None for each in batch)
            answer = self._read(
                models.Batch, "POST", "/v1/images:batch", form=form, is_repeatable=is_repeatable
            )
            for outcome in answer.outcomes:
                yield replace(outcome, index=begin + outcome.index)
            begin += len(batch)

    @asks("change_image")
    def patch(
        self, image_id: int, *, tags: Sequence[str] | None = None, caption: str | None = None
    ) -> models.ImageDetail:
        """Replaces the tags, or the caption ("" takes it away), that people gave an image.

        Raises:
            UnknownImageError: no such image.
        """
        sent: dict[str, Any] = {} if tags is None else {"tags": list(tags)}
        sent |= {} if caption is None else {"caption": caption}
        return self._read(models.ImageDetail, "PATCH", f"/v1/images/{image_id}", json=sent)

    @asks("remove_image")
    def delete(self, image_id: int, *, purge: bool = False) -> None:
        """Forgets an image; files of folders are never touched.

        Args:
            image_id: of the library.
            purge: delete an upload's bytes instead of trashing them.

        Raises:
            UnknownImageError: no such image.
        """
        params = {"purge": "true" if purge else None}
        # Asked twice, the second answer would be that there is no such image.
        self._connection.ask("DELETE", f"/v1/images/{image_id}", params=params, is_repeatable=False)

    # --- search -------------------------------------------------------------------------------------------

    @asks("search", "search_by_link")
    def search(
        self,
        picture: Picture | None = None,
        *,
        image_id: int | None = None,
        url: str | None = None,
        text: str | None = None,
        minus: str | None = None,
        region: Region | None = None,
        parts: Sequence[Part] = (),
        by: Sequence[str] = (),
        k: int | None = None,
        min_score: float | None = None,
        verdicts: Sequence[str] = (),
        filter: str | None = None,
        exclude_self: bool | None = None,
        fold: bool | None = None,
        cursor: str | None = None,
        wait: float | None = None,
        aqe_n: int | None = None,
        aqe_alpha: float | None = None,
    ) -> models.Answer:
        """Finds pictures: by a picture, an image of the library, words, or several of them together.

        Args:
            picture: bytes or a file.
            image_id: an image of the library.
            url: address of a picture, which the server fetches.
            text: words.
            minus: words for what shall not be found.
            region: the only part of the picture to ask with.
            parts: several terms.
            by: kinds to ask; by default all that can be asked.
            k: most hits of this page.
            min_score: least score, 0–1.
            verdicts: only these.
            filter: only images that it keeps, such as "winter && !forest".
            exclude_self: leave out the images that the question names.
            fold: make one hit of copies of one picture.
            cursor: `next` of the page before.
            wait: answer after so many seconds with what is there.
            aqe_n: nearest pictures that widen the question.
            aqe_alpha: power by which these count.

        Returns:
            One page of hits, how each kind fared, and the cursor of the next page.

        Raises:
            QueryError: the question cannot be asked like this.
        """
        knobs = {
            "by": list(by) or None,
            "k": k,
            "min_score": min_score,
            "verdicts": list(verdicts) or None,
            "filter": filter,
            "exclude_self": exclude_self,
            "fold": fold,
            "cursor": cursor,
            "wait": wait,
            "aqe_n": aqe_n,
            "aqe_alpha": aqe_alpha,
        }
        terms = {"image_id": image_id, "url": url, "text": text, "minus": minus, "region": region}
        form, document = question(picture, terms, parts, knobs)
        return self._read(models.Answer, "POST", "/v1/search", form=form, json=document)

    def search_all(self, picture: Picture | None = None, **question: Any) -> Iterator[models.Match]:
        """All hits of a question, page by page.

        Args:
            picture: bytes or a file.
            question: as `search` takes it.

        Yields:
            Hits, none of them twice, up to the server's `search.max_depth`.
        """
        while True:
            answer = self.search(picture, **question)
            yield from answer.matches
            if answer.next is None:
                return
            question["cursor"] = answer.next

    # --- images -------------------------------------------------------------------------------------------

    @asks("show_image")
    def image(self, image_id: int) -> models.ImageDetail:
        """All that is known of an image.

        Raises:
            UnknownImageError: no such image.
        """
        return self._read(models.ImageDetail, "GET", f"/v1/images/{image_id}")

    @asks("list_images")
    def image_page(
        self,
        *,
        after: int = -1,
        limit: int = 100,
        order: Literal["id", "newest"] = "id",
        filter: str | None = None,
    ) -> models.ImagePage:
        """One page of the images.

        Args:
            after: `next` of the page before; −1 for the first one.
            limit: most images, up to 1,000.
            order: by rising or falling id.
            filter: only images that it keeps.

        Returns:
            Images, and `next`.

        Raises:
            FilterError: the filter cannot be read.
        """
        params = {"after": after, "limit": limit, "order": order, "filter": filter}
        return self._read(models.ImagePage, "GET", "/v1/images", params=params)

    def images(
        self, *, order: Literal["id", "newest"] = "id", filter: str | None = None, limit: int = 500
    ) -> Iterator[models.Image]:
        """Every image, or every one that a filter keeps, asked for page by page.

        Args:
            order: by rising or falling id.
            filter: only images that it keeps.
            limit: of one page.

        Yields:
            Images.
        """
        after: int | None = -1
        while after is not None:
            page = self.image_page(after=after, limit=limit, order=order, filter=filter)
            yield from page.images
            after = page.next

    @asks("show_words")
    def words(self, image_id: int) -> models.Words:
        """All that is said of an image in words: text in it, tags, captions."""
        return self._read(models.Words, "GET", f"/v1/images/{image_id}/words")

    @asks("send_file")
    def file(self, image_id: int) -> bytes:
        """The picture's own bytes, as they were added."""
        return self._connection.ask("GET", f"/v1/images/{image_id}/file").content

    def save_file(self, image_id: int, path: Path | str) -> None:
        """Writes the picture's own bytes to a file."""
        Path(path).write_bytes(self.file(image_id))

    @asks("send_thumbnail")
    def thumbnail(self, image_id: int, *, size: int = 320) -> bytes:
        """A small JPEG, upright, whose longest side is at most `size` pixels."""
        return self._connection.ask("GET", f"/v1/images/{image_id}/thumbnail", params={"size": size}).content

    @asks("compare_stored", "compare_sent")
    def matches(
        self, query: Picture | int, image_id: int, *, region: Region | None = None
    ) -> models.Comparison:
        """How a picture, or an image of the library, lies in another image of it.

        Args:
            query: bytes, a file, or the id of an image.
            image_id: of the other image.
            region: the only part of the query to compare.

        Returns:
            What one is of the other; `verdict` None where they have nothing in common.

        Raises:
            UnknownImageError: no such image, or its file is gone.
        """
        return read(
            models.Comparison, self._compared(query, image_id, region, format="json", layout="auto").json()
        )

    @asks("compare_stored", "compare_sent")
    def proof(
        self,
        query: Picture | int,
        image_id: int,
        *,
        format: Literal["jpeg", "png"] = "jpeg",
        layout: Literal["auto", "beside", "below"] = "auto",
        region: Region | None = None,
    ) -> bytes:
        """The comparison as a drawing: both pictures, where each lies in the other, and what matches.

        Args:
            query: bytes, a file, or the id of an image.
            image_id: of the other image.
            format: of the drawing.
            layout: where it has the second picture.
            region: the only part of the query to compare.

        Returns:
            Bytes of the drawing.

        Raises:
            UnknownImageError: no such image, or its file is gone.
        """
        return self._compared(query, image_id, region, format=format, layout=layout).content

    # --- the server ---------------------------------------------------------------------------------------

    @asks("list_kinds")
    def kinds(self) -> list[models.Kind]:
        """The kinds that the server answers for."""
        return self._read(models.KindList, "GET", "/v1/kinds").kinds

    @asks("list_jobs")
    def jobs(self) -> list[models.Job]:
        """Background work, newest first."""
        return self._read(models.JobList, "GET", "/v1/jobs").jobs

    @asks("show_info")
    def info(self) -> models.Info:
        """The library at a glance."""
        return self._read(models.Info, "GET", "/v1/info")

    @asks("list_models")
    def models(self) -> list[models.Model]:
        """Every model that is known, installed or not."""
        return self._read(models.ModelList, "GET", "/v1/models").models

    def close(self) -> None:
        """Lets go of the connections."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _compared(
        self, query: Picture | int, image_id: int, region: Region | None, *, format: str, layout: str
    ) -> httpx.Response:
        params = {"format": format, "layout": layout}
        if region is not None:
            params["region"] = ",".join(map(str, region))
        if isinstance(query, int):
            return self._connection.ask("GET", f"/v1/images/{query}/matches/{image_id}", params=params)
        form = Sent(pictures={"image": query})
        return self._connection.ask("POST", f"/v1/images/{image_id}/matches", params=params, form=form)
