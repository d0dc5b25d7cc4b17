"""Every exception that Ambience raises on purpose, drawn as a tree.

AmbienceError
├── ImageError                 the bytes given are no usable picture
│   ├── UnsupportedFormatError     not a picture format that is read
│   ├── ImageLimitError            over a limit (bytes, pixels, frames, aspect); names the limit
│   ├── CorruptImageError          a picture format, but broken or truncated
│   └── DecoderFailedError         the decoding worker died, hung or ran out of memory
├── FetchError                 a URL could not be fetched, or may not be
├── FeatureError               a feature cannot be made or read
│   ├── EmptyFeatureError          the picture holds nothing that this kind could describe
│   └── CorruptFeatureError        stored bytes do not agree with their checksum
├── ModelError                 a model is missing or unusable
│   ├── MissingModelError          its files are not there; says which, how large and how to install them
│   ├── CorruptModelError          a file that is broken, not the one meant, or holds more than tensors
│   └── InstallError               a model could not be installed or removed
│       └── DownloadError              one of its files could not be fetched; says whence, why and what to do
├── StoreError                 the library's truth on disk
│   ├── UnknownImageError          no such image (or no such feature of it)
│   ├── ImageIdTakenError          the id belongs to other bytes, or the feature exists already
│   ├── OutdatedFeatureError       made with a model that is no longer the one in use
│   ├── LibraryLockedError         another process holds the library
│   ├── NewerLibraryError          made by a newer version of Ambience
│   ├── DamagedStoreError          files of the library are broken; says what was done about it
│   └── StoreFullError             the disk is full; nothing was lost
├── IndexFileError             a snapshot of an index is missing, broken or of another fingerprint
├── IndexRecallError           a new index finds too little to take the place of the one that serves
├── QueryError                 a question that cannot be answered as asked
│   ├── UnknownKindError           no kind of that name
│   └── FilterError                a filter that cannot be read; says at which column
├── ServiceError               a kind's service in another process cannot be used
│   ├── ServiceLateError           it did not answer in time
│   └── ServiceMismatchError       it makes other features than those that are asked for, or speaks otherwise
├── SettingsError              a setting that is unknown or out of range
├── VocabularyError            a list of words that cannot be read, kept or found
└── BusyError                  too much work at once; try again after `retry_after_s`

Messages say what was wrong, the value seen, what is accepted, and what to do.
"""


class AmbienceError(Exception):
    """Base of all errors that are raised on purpose.

    Attributes:
        code: stable machine-readable name, the same in HTTP problems, JSON reports and the records.
    """

    code = "error"


class ImageError(AmbienceError):
    """The bytes given are no usable picture."""

    code = "image_unusable"


class UnsupportedFormatError(ImageError):
    """Not a picture format that is read."""

    code = "unsupported_format"


class ImageLimitError(ImageError):
    """Over a limit: the message names the limit, its value, and the setting that holds it."""

    code = "image_over_limit"


class CorruptImageError(ImageError):
    """A known picture format, but broken or truncated."""

    code = "image_corrupt"


class DecoderFailedError(ImageError):
    """The worker process that decoded this picture died, hung, or ran out of memory."""

    code = "decoder_failed"


class FetchError(AmbienceError):
    """A URL could not be fetched, or points where it may not."""

    code = "fetch_failed"


class FeatureError(AmbienceError):
    """A feature cannot be made or read."""

    code = "feature_unusable"


class EmptyFeatureError(FeatureError):
    """The picture holds nothing that this kind could describe."""

    code = "feature_empty"


class CorruptFeatureError(FeatureError):
    """The stored bytes of a feature do not agree with their checksum.

    Attributes:
        feature_ids: which.
    """

    code = "feature_corrupt"
    feature_ids: tuple[int, ...] = ()


class ModelError(AmbienceError):
    """A model is missing or unusable."""

    code = "model_unusable"


class MissingModelError(ModelError):
    """Files of a model are not there; the message says which, how large and how to install them."""

    code = "model_missing"


class CorruptModelError(ModelError):
    """A file of a model is broken, is not the one that is meant, or holds more than tensors."""

    code = "model_corrupt"


class InstallError(ModelError):
    """A model could not be installed or removed: full disk, a folder that cannot be written, in use."""

    code = "model_not_installed"


class DownloadError(InstallError):
    """A file of a model could not be fetched; the message names the address, what happened and what to do."""

    code = "download_failed"


class StoreError(AmbienceError):
    """The library's truth on disk could not be read or written."""

    code = "store_failed"


class UnknownImageError(StoreError):
    """No image has this id, or it lacks the feature asked for.

    Attributes:
        feature_ids: which features are absent, where features were asked for.
    """

    code = "unknown_image"
    feature_ids: tuple[int, ...] = ()


class ImageIdTakenError(StoreError):
    """The id belongs to other bytes, or the feature exists already."""

    code = "image_id_taken"


class OutdatedFeatureError(StoreError):
    """A feature was made with a model that was in use then and is not any more: it has to be made again."""

    code = "feature_outdated"


class LibraryLockedError(StoreError):
    """Another process holds the library; the message names it.

    Attributes:
        holder: the `LockHolder` that names it.
    """

    code = "library_locked"
    holder: object | None = None


class NewerLibraryError(StoreError):
    """The library was made by a newer version of Ambience."""

    code = "library_newer"


class DamagedStoreError(StoreError):
    """Files of the library are broken; the message says what was done about it."""

    code = "store_damaged"


class StoreFullError(StoreError):
    """The disk is full. Nothing that was acknowledged is lost; free some space and try again."""

    code = "store_full"


class IndexFileError(AmbienceError):
    """The snapshot of an index is missing, broken, or of another fingerprint."""

    code = "index_unusable"


class IndexRecallError(AmbienceError):
    """A new index finds too little of what an exact search finds; the one that serves is kept."""

    code = "index_recall_low"


class QueryError(AmbienceError):
    """A question that cannot be answered as asked."""

    code = "query_malformed"


class UnknownKindError(QueryError):
    """No kind of that name exists or is switched on."""

    code = "unknown_kind"


class FilterError(QueryError):
    """A filter that cannot be read: the message names the column and shows the place.

    Attributes:
        column: of the fault, from 1; 0 where it is not known.
    """

    code = "filter_malformed"
    column: int = 0


class ServiceError(AmbienceError):
    """A kind's service in another process cannot be reached, failed, or answers nonsense."""

    code = "service_failed"


class ServiceLateError(ServiceError):
    """A kind's service did not answer in time."""

    code = "service_late"


class ServiceMismatchError(ServiceError):
    """A kind's service makes other features than those that are asked for, or speaks another protocol."""

    code = "service_mismatch"


class SettingsError(AmbienceError):
    """A setting that is unknown or out of range."""

    code = "settings_invalid"


class VocabularyError(AmbienceError):
    """A list of words for tags cannot be read, kept or found."""

    code = "vocabulary_unusable"


class BusyError(AmbienceError):
    """Too much work at once.

    Attributes:
        retry_after_s: seconds after which another try makes sense.
    """

    code = "busy"

    def __init__(self, message: str, *, retry_after_s: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


def error_of(code: str, message: str, *, retry_after_s: float = 1.0) -> AmbienceError:
    """The error that another process raised.

    Args:
        code: stable name of its class.
        message: for people.
        retry_after_s: where it was a BusyError.

    Returns:
        An instance of the class with this code; AmbienceError where none has it.
    """
    if code == BusyError.code:
        return BusyError(message, retry_after_s=retry_after_s)
    waiting: list[type[AmbienceError]] = [AmbienceError]
    while waiting:
        cls = waiting.pop()
        if cls.code == code:
            return cls(message)
        waiting += cls.__subclasses__()
    return AmbienceError(message)
