"""Which models there are, installed or not; they are installed by the command line alone."""

from fastapi import APIRouter
from pydantic import BaseModel, Field

from ambience.keys import Scope
from ambience.models.folder import ModelFolder
from ambience.serve.http.scopes import needs
from ambience.serve.http.state import State
from ambience.serve.model_infos import ModelInfo, model_infos

router = APIRouter(tags=["system"])


class ModelSchema(BaseModel):
    """One model."""

    name: str
    title: str
    task: str = Field(description="What it makes of what, such as image_text_embedding.")
    size: int = Field(description="Bytes of all its files.")
    is_size_exact: bool = Field(description="False where nobody states the size to the byte.")
    licence: str = Field(description="SPDX name, of the weights.")
    dim: int
    source: str = Field(description="Where it is published; empty where it comes with Ambience.")
    is_installed: bool
    comes_with_ambience: bool
    used_by: list[str] = Field(description="Kinds that ask for it.")
    parts: list[str] = Field(description="Other models that it is made of.")
    note: str = Field(description="What to know before relying on it.")
    install: str = Field(description="Command that installs it; empty where it comes with Ambience.")

    @classmethod
    def of(cls, info: ModelInfo) -> "ModelSchema":
        """From our datatype."""
        command = "" if info.comes_with_ambience else f"ambience models install {info.name}"
        return cls(
            name=info.name,
            title=info.title,
            task=info.task,
            size=info.size,
            is_size_exact=info.is_size_exact,
            licence=info.licence,
            dim=info.dim,
            source=info.source,
            is_installed=info.is_installed,
            comes_with_ambience=info.comes_with_ambience,
            used_by=list(info.used_by),
            parts=list(info.parts),
            note=info.note,
            install=command,
        )


class ModelList(BaseModel):
    """Every model that is known."""

    models: list[ModelSchema]


@router.get("/v1/models")
@needs(Scope.READ)
def list_models(state: State) -> ModelList:
    """Every model that is known: installed or not, and which kinds ask for it."""
    folder = ModelFolder.at(state.library.settings.models.folder)
    specs = [kind.spec for kind in state.library.kinds.values()]
    return ModelList(models=[ModelSchema.of(info) for info in model_infos(folder, specs)])
