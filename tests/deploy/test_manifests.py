"""The files of deploy/: valid by their schemas, one image for all, nothing open that need not be."""

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from dagster._cli import create_dagster_cli

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
PROCESSES = ("code", "daemon", "web")
START = {
    "code": "dagster api grpc",
    "daemon": "dagster-daemon run",
    "web": "dagster-webserver",
}


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    return loaded


@pytest.fixture(scope="module")
def manifests() -> dict[tuple[str, str], dict[str, Any]]:
    paths = [path for path in DEPLOY.glob("kubernetes/*.yaml") if path.name != "kustomization.yaml"]
    documents = [found for path in paths for found in yaml.safe_load_all(path.read_text())]
    return {(found["kind"], found["metadata"]["name"]): found for found in documents}


def container(manifests: dict[tuple[str, str], dict[str, Any]], name: str) -> dict[str, Any]:
    kind = "StatefulSet" if name == "postgres" else "Deployment"
    (found,) = manifests[(kind, name)]["spec"]["template"]["spec"]["containers"]
    return dict(found)


def test_the_compose_file_is_valid_by_its_schema() -> None:
    program = shutil.which("check-jsonschema", path=str(Path(sys.executable).parent))
    if program is None:
        pytest.skip("check-jsonschema is not installed: uv sync --group supply-chain")
    command = [program, "--builtin-schema", "vendor.compose-spec", str(DEPLOY / "compose.yaml")]

    result = subprocess.run(command, capture_output=True, text=True, check=False)

    assert result.returncode == 0, result.stdout


def test_every_process_is_the_same_image_started_otherwise(compose: Any, manifests: Any) -> None:
    for name in PROCESSES:
        service, found = compose["services"][name], container(manifests, name)
        assert service["image"] == found["image"] == "tunix-rt"
        assert service["command"] == found["args"]
        assert " ".join(found["args"]).startswith(f"with-password {START[name]}")


def test_the_database_is_the_same_in_both_and_pinned_by_its_digest(compose: Any, manifests: Any) -> None:
    image = compose["services"]["postgres"]["image"]

    assert re.fullmatch(r"postgres:17-bookworm@sha256:[0-9a-f]{64}", image)
    assert container(manifests, "postgres")["image"] == image


def test_only_the_web_server_is_published_and_only_to_this_machine(compose: Any, manifests: Any) -> None:
    published = {name: found["ports"] for name, found in compose["services"].items() if "ports" in found}
    services = [found for (kind, _), found in manifests.items() if kind == "Service"]

    assert published == {"web": ["127.0.0.1:3000:3000"]}
    assert {found["spec"].get("type", "ClusterIP") for found in services} == {"ClusterIP"}


def test_no_password_stands_in_the_settings(compose: Any, manifests: Any) -> None:
    told = [compose["services"][name].get("environment", {}) for name in compose["services"]]
    told += [{entry["name"]: entry["value"] for entry in container(manifests, "postgres")["env"]}]

    named = {key: value for settings in told for key, value in settings.items() if "PASSWORD" in key}
    assert set(named) == {"POSTGRES_PASSWORD_FILE", "TUNIX_POSTGRES_PASSWORD_FILE"}
    assert not any(kind == "Secret" for kind, _ in manifests)


def test_every_container_runs_as_an_ordinary_user_who_can_write_nothing_else(manifests: Any) -> None:
    for name in (*PROCESSES, "postgres"):
        context = container(manifests, name)["securityContext"]

        assert context["readOnlyRootFilesystem"]
        assert not context["allowPrivilegeEscalation"]
        assert context["capabilities"] == {"drop": ["ALL"]}
    assert "\nUSER 10001:10001\n" in (DEPLOY / "Dockerfile").read_text()


def test_every_variable_of_the_instance_is_set(compose: Any) -> None:
    needed = set(re.findall(r"\{env: (\w+)\}", (DEPLOY / "dagster.yaml").read_text()))
    given = set(compose["services"]["code"]["environment"])
    given |= set(re.findall(r"(\w+)=", (DEPLOY / "Dockerfile").read_text()))
    kustomization = yaml.safe_load((DEPLOY / "kubernetes" / "kustomization.yaml").read_text())
    generators = {found["name"]: found for found in kustomization["configMapGenerator"]}
    literals = generators["database"]["literals"]

    # The password comes from a file, by deploy/with-password.
    assert needed - given == {"TUNIX_POSTGRES_PASSWORD"}
    assert {line.partition("=")[0] for line in literals} == set(compose["services"]["code"]["environment"])


def test_the_code_server_is_where_the_workspace_looks_for_it(compose: Any, manifests: Any) -> None:
    (location,) = yaml.safe_load((DEPLOY / "workspace.yaml").read_text())["load_from"]
    server, command = location["grpc_server"], compose["services"]["code"]["command"]

    assert server["host"] in compose["services"]
    assert ("Service", server["host"]) in manifests
    assert command[command.index("--port") + 1] == str(server["port"])
    assert command[command.index("--module-name") + 1] == "tunix_assets.definitions"


def test_every_flag_of_the_code_server_exists(compose: Any) -> None:
    command = create_dagster_cli()  # type: ignore[no-untyped-call]
    for word in ("api", "grpc"):
        command = command.commands[word]
    flags = {flag for parameter in command.params for flag in parameter.opts}

    words = compose["services"]["code"]["command"]
    assert {word for word in words if word.startswith("--")} <= flags


def test_the_base_image_is_one_and_pinned_by_its_digest() -> None:
    bases = re.findall(r"^FROM (\S+)", (DEPLOY / "Dockerfile").read_text(), re.MULTILINE)

    assert len(set(bases)) == 1
    assert re.fullmatch(r"python:3\.12-slim-bookworm@sha256:[0-9a-f]{64}", bases[0])


def test_everything_that_the_image_copies_exists_and_is_sent_to_the_builder() -> None:
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", (DEPLOY / "Dockerfile").read_text(), re.MULTILINE)
    sent = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}

    names = [name for line in copied for name in line.split()]
    assert [name for name in names if not (ROOT / name).exists()] == []
    assert [name for name in names if name.partition("/")[0] not in sent] == []
