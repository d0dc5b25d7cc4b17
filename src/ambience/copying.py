"""The duplicates of a library, beside its files and words; `ClearingLibrary` adds what changes them."""

from collections.abc import Sequence

from ambience.copies import MOST_GROUPS, GroupPage
from ambience.datatypes import Verdict
from ambience.leaving import LeavingLibrary


class CopyingLibrary(LeavingLibrary):
    """The duplicates of a library."""

    def duplicates(
        self, *, verdicts: Sequence[Verdict] = (), after: int = -1, limit: int = MOST_GROUPS
    ) -> GroupPage:
        """One page of the groups of copies that were found so far.

        Args:
            verdicts: by which images are put together: `same_file`, `same_picture`, `edited`, `part`; by
                default the first three.
            after: `next` of the page before; -1 for the first.
            limit: most groups, 1–1000.

        Returns:
            Groups by rising id, each with the image that is best kept; and how many images have yet to be
            compared with the others.

        Raises:
            QueryError: a verdict says nothing of copies, or the limit is out of range.
        """
        return self._parts.duplicates.page(verdicts=verdicts, after=after, limit=limit)
