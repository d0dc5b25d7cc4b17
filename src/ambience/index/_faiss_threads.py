"""How many OpenMP threads faiss may use, by the size of the work."""

from ambience.settings import count_or_cores

MANY_ROWS = 8192


def use_threads(rows: int) -> None:
    """Sets the threads of faiss calls made by the calling thread.

    More than one pays for training and for bulk adds alone. In a search, or with a few rows, threads wait for
    cores that others use: on a busy machine single queries fell from 140 to 8.5 a second with two.

    Args:
        rows: that the call is about to work on; 0 for a search.
    """
    import faiss

    faiss.omp_set_num_threads(count_or_cores(0) if rows >= MANY_ROWS else 1)
