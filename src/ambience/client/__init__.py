"""A client of the HTTP interface, which needs nothing of the library itself: no numpy, no models.

    with Client("http://127.0.0.1:44444", key="…") as client:
        client.add(Path("lake.jpg"), tags=["sea"])
        for match in client.search(Path("cut.jpg")).matches:
            print(match.verdict, match.image.name)

`ambience.client.models` holds what is answered.
"""

from ambience.client.client import Client
from ambience.client.pictures import NewImage, Part
from ambience.client.problems import AnswerError, UnreachableError

__all__ = ["AnswerError", "Client", "NewImage", "Part", "UnreachableError"]
