"""The archive of one registered version: a single file that proves itself."""

from pydantic import Field

from tunix_ml.contracts.artifact import ArtifactFile, Digest
from tunix_ml.contracts.base import Artifact
from tunix_ml.contracts.registry import ModelName, RegistryHead


class ArchiveManifest(Artifact):
    """`MANIFEST.json`: the first member of an archive, about all the others."""

    model: ModelName = Field(description="name of the registered model")
    version: Digest = Field(description="content digest of the files below `model/`")
    run_id: str
    evaluation_set: str
    scorer: str
    head: RegistryHead = Field(description="last event below `events/`")
    members: dict[str, ArtifactFile] = Field(description="every other member by its name")
