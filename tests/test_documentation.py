"""What README and docs say is true: commands run and print what is shown, lists are complete, figures are measured."""

from __future__ import annotations

import ast
import itertools
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psycopg
import pytest
from command_line import Command
from PIL import Image, ImageFilter

import facesearch as package
from benchmarks.common import RESULTS
from benchmarks.figures import CHARTS, DOCUMENTS, TABLES, filled
from facesearch import Gallery
from facesearch.store import open_on_server
from facesearch.workshop.sample_people import draw_people, write_photos
from scripts.write_commands import DOCUMENT, commands, document

ROOT = Path(__file__).parents[1]
INDEX = ROOT / "docs" / "README.md"
PAGES = (
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "benchmarks/README.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
)
TEXTS = {page.relative_to(ROOT).as_posix(): page.read_text(encoding="utf-8") for page in PAGES}
COMMANDS = dict(commands())


def console_sessions(text: str) -> Iterator[tuple[str, str]]:
    """Each command of a page's console blocks with the output that is shown for it."""
    for block in re.findall(r"```console\n(.*?)```", text, re.DOTALL):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, output = part.partition("\n")
            yield command, output


def command_lines(text: str) -> Iterator[str]:
    """Every facesearch command line in the code blocks of a page."""
    for block in re.findall(r"^```\w*\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
        for line in block.splitlines():
            for one in line.removeprefix("$ ").split("||"):
                if one.strip().startswith("facesearch "):
                    yield one.strip()


def python_blocks(text: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", text, re.DOTALL)


def headings(text: str) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    plain = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    found = re.findall(r"^#+ (.+)$", plain, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in found}


def without_numbers(text: str) -> list[str]:
    return [re.sub(r"\d+", "#", re.sub(r"\d+\.\d+", "#", line.strip())) for line in text.strip().splitlines()]


@pytest.fixture(scope="module")
def demo_photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The photos of the demo's people as the demo lays them out, the last one of each held back as a probe."""
    folder = tmp_path_factory.mktemp("documentation")
    for path in write_photos(folder / "facesearch-demo" / "people", draw_people(100), 4):
        if path.stem.endswith("0004"):
            target = folder / "facesearch-demo" / "probes" / path.parent.name
            target.mkdir(parents=True)
            path.rename(target / path.name)
    return folder


def run_session(page: str, facesearch: Command) -> None:
    session = list(console_sessions(TEXTS[page]))
    assert len(session) >= 4
    for command, shown in session:
        program, *arguments = shlex.split(command)
        assert program == "facesearch"
        done = facesearch(*arguments)
        assert done.status == (3 if "\nrejected " in shown else 0), done.err
        assert without_numbers(done.out.replace(str(Path.cwd()), "…")) == without_numbers(shown), command


def test_the_tour_in_the_readme_prints_what_it_shows(
    demo_photos: Path, facesearch: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(demo_photos)
    run_session("README.md", facesearch)


def test_the_quick_start_prints_what_it_shows(
    demo_photos: Path, facesearch: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(demo_photos)
    with Gallery.open("facesearch-demo/gallery") as gallery:
        for name in ("Zeno_Sumac", "Ivo_Bramble"):
            gallery.enroll(name, sorted(Path("facesearch-demo/people", name).iterdir()))
    run_session("docs/quick-start.md", facesearch)


def test_the_first_session_prints_what_it_shows(
    demo_photos: Path, tmp_path: Path, facesearch: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = demo_photos / "facesearch-demo"
    for name in ("Faye Walnut", "Nils Hornbeam", "Zeno Sumac"):
        (tmp_path / "people" / name).mkdir(parents=True)
        for number, photo in enumerate(sorted((drawn / "people" / name.replace(" ", "_")).iterdir()), start=1):
            shutil.copy(photo, tmp_path / "people" / name / f"{number}.jpg")
    wrong = Image.open(tmp_path / "people" / "Nils Hornbeam" / "1.jpg").resize((300, 300))
    wrong.save(tmp_path / "people" / "Faye Walnut" / "IMG_7.jpg")
    zeno = tmp_path / "people" / "Zeno Sumac"
    Image.open(zeno / "1.jpg").filter(ImageFilter.GaussianBlur(10)).save(zeno / "night.jpg")
    (zeno / "notes.txt").write_text("met in May")
    for asked, name in (("visitor", "Nils_Hornbeam"), ("guest", "Zeno_Sumac"), ("postman", "Levi_Juniper")):
        shutil.copy(next((drawn / "probes" / name).iterdir()), tmp_path / f"{asked}.jpg")
    monkeypatch.chdir(tmp_path)
    run_session("docs/first-session.md", facesearch)


class Shards:
    """Servers of shards in processes of their own, each at a port of this machine in place of the page's address."""

    def __init__(self) -> None:
        self._servers: list[subprocess.Popen[str]] = []
        self._at: dict[str, str] = {}

    def placed(self, line: str) -> str:
        for address, here in self._at.items():
            line = line.replace(address, here)
        return line

    def start(self, arguments: list[str]) -> None:
        place = arguments.index("--listen") + 1
        words = [*arguments[:place], "127.0.0.1:0", *arguments[place + 1 :]]
        server = subprocess.Popen([sys.executable, "-m", "facesearch", *words], stderr=subprocess.PIPE, text=True)
        self._servers.append(server)
        assert server.stderr is not None
        self._at[arguments[place]] = next(line.split()[2] for line in server.stderr if line.startswith("listening on "))

    def kill(self) -> None:
        for server in self._servers:
            server.kill()
            server.communicate()

    def stop(self) -> None:
        assert self._servers
        for server in self._servers:
            server.terminate()
        assert {server.communicate(timeout=60)[1] for server in self._servers} == {""}
        assert {server.returncode for server in self._servers} == {0}


@pytest.fixture
def shards() -> Iterator[Shards]:
    started = Shards()
    yield started
    started.kill()


def test_what_the_page_on_postgresql_says_makes_a_shared_gallery(
    postgresql_server: str,
    people_photos: Path,
    facesearch: Command,
    shards: Shards,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    everybody = sorted(people_photos.iterdir())
    for folder, some in (("people", everybody[:3]), ("newcomers", everybody[3:4])):
        for person in some:
            shutil.copytree(person, tmp_path / folder / person.name)
    shutil.copy(next(everybody[0].iterdir()), "visitor.jpg")
    users = iter(["postgres@/postgres", "gallery_owner@/faces", "postgres@/faces"])
    here = postgresql_server.partition("?")[2]
    done = {}
    before, _, rest = TEXTS["docs/postgresql.md"].partition("## Two servers")
    after = rest[rest.index("\n## ") :]
    for block in re.findall(r"```(?:sql)?\n(.*?)```", before + after, re.DOTALL):
        if block.startswith("pip "):
            continue
        if block.startswith("openssl "):
            *makes, export = block.splitlines()
            subprocess.run(["sh", "-e"], input="\n".join(makes), text=True, check=True, stderr=subprocess.DEVNULL)
            monkeypatch.setenv(*export.removeprefix("export ").split("="))
            continue
        if not block.startswith("facesearch "):
            with psycopg.connect(f"postgresql://{next(users)}?{here}", autocommit=True) as connection:
                for statement in block.split(";\n"):
                    connection.execute(statement.encode())
            continue
        for line in block.splitlines():
            _, *arguments = shlex.split(shards.placed(line.replace("@db.example.com/faces?", f"@/faces?{here}&")))
            if arguments[:2] == ["index", "serve"]:
                shards.start(arguments)
                continue
            word = " ".join(arguments[: 2 if arguments[0] == "index" else 1])
            done[line.partition("://")[2].partition("@")[0], word] = facesearch(*arguments)
    assert next(users, None) is None
    shards.stop()
    assert [(*asked, answer.status) for asked, answer in done.items()] == [
        ("gallery_owner", "enroll", 0),
        ("asker", "query", 0),
        ("enroller", "enroll", 0),
        ("asker", "gallery", 0),
        ("gallery_owner", "index publish", 0),
        ("gallery_owner", "index build", 0),
    ]
    assert everybody[0].name in done["asker", "query"].out
    assert "people     4, 12 templates" in done["asker", "gallery"].out
    _roles_may_do_what_the_page_says(here, facesearch, everybody[0].name)


def _roles_may_do_what_the_page_says(here: str, facesearch: Command, name: str) -> None:
    def gallery(role: str) -> str:
        return f"postgresql://{role}@/faces?{here}&gallery=staff"

    refused = facesearch("identities", "forget", name, "--yes", "--gallery", gallery("asker"))
    assert refused.status == 1 and "no permission to write to postgresql://asker@" in refused.err
    assert facesearch("identities", "list", "--gallery", gallery("auditor")).status == 1
    with psycopg.connect(f"postgresql://auditor@/faces?{here}") as connection:
        assert connection.execute("SELECT count(*) FROM staff.audit_events").fetchone() == (2,)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("SELECT * FROM staff.identities")
    forgot = facesearch("identities", "forget", name, "--yes", "--gallery", gallery("enroller"))
    assert forgot.status == 0 and "until the owner of the tables runs facesearch gallery compact" in forgot.out
    assert "1 index file published in the database deleted" in forgot.out
    assert facesearch("index", "publish", "--gallery", gallery("enroller")).status == 0
    assert facesearch("gallery", "compact", "--gallery", gallery("gallery_owner")).status == 0
    assert facesearch("index", "check", "--gallery", gallery("asker")).status == 0


def test_the_tables_for_citus_are_made_of_those_there_are(gallery_url: str) -> None:
    """On plain PostgreSQL, where what distributes tables does nothing."""
    (statements,) = re.findall(r"```sql\n(.*?)```", TEXTS["docs/research/sharding.md"], re.DOTALL)
    with open_on_server(gallery_url) as store, psycopg.connect(store.address.conninfo) as connection:
        name = store.address.gallery
        connection.execute(
            f"CREATE FUNCTION {name}.create_reference_table(regclass) RETURNS void LANGUAGE sql AS '';"
            f"CREATE FUNCTION {name}.create_distributed_table(regclass, text, colocate_with text DEFAULT 'default') "
            "RETURNS void LANGUAGE sql AS ''".encode()
        )
        connection.execute(statements.replace("search_path = staff", f"search_path = {name}").encode())
        keys = "SELECT conname FROM pg_constraint WHERE connamespace = %s::regnamespace AND contype IN ('p', 'u', 'f')"
        assert ("fk_ignored_id",) in connection.execute(keys, (name,)).fetchall()


@pytest.mark.parametrize("page", [page for page, text in TEXTS.items() if python_blocks(text)])
def test_python_examples_run(page: str, people_photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    people = sorted(people_photos.iterdir())
    for name, photo in {
        "ada1.jpg": sorted(people[0].iterdir())[0],
        "ada2.jpg": sorted(people[0].iterdir())[1],
        "visitor.jpg": sorted(people[0].iterdir())[2],
        "guest.jpg": sorted(people[1].iterdir())[0],
    }.items():
        Image.open(photo).save(name)
    with Gallery.open("my-gallery") as gallery:
        gallery.enroll(people[2].name, sorted(people[2].iterdir())[:1])
    blocks = python_blocks(TEXTS[page])
    for block in blocks:
        exec(compile(block, page, "exec"), {"np": np})


@pytest.mark.parametrize("page", [page for page, text in TEXTS.items() if any(command_lines(text))])
def test_commands_and_options_of_examples_exist(page: str) -> None:
    for line in command_lines(TEXTS[page]):
        words = shlex.split(line, comments=True)
        if words[1:] and words[1].startswith("-"):
            continue
        name = next((" ".join(words[:n]) for n in (3, 2) if " ".join(words[:n]) in COMMANDS), None)
        assert name, f"{page}: there is no command as in: {line}"
        options = {option for parameter in COMMANDS[name].params for option in parameter.opts}
        for word in words[len(name.split()) :]:
            if re.match(r"--?[a-z]", word):
                assert word.partition("=")[0] in options, f"{page}: {name} has no option {word}"


def test_the_list_of_commands_is_as_the_help_says() -> None:
    assert DOCUMENT.read_text(encoding="utf-8") == document(), "run: python -m scripts.write_commands"


@pytest.mark.parametrize("name, command", list(commands()), ids=lambda value: str(value).replace(" ", "-"))
def test_every_command_has_help_an_example_and_a_meaning_for_every_option(name: str, command: object) -> None:
    assert len((getattr(command, "help", None) or "").split()) >= 3, name
    assert name.split()[1] in (getattr(command, "epilog", None) or ""), f"{name} has no example"
    for parameter in command.params:  # type: ignore[attr-defined]
        assert parameter.help, f"{name}: {parameter.name} has no help"


def test_every_public_name_is_in_the_reference() -> None:
    text = TEXTS["docs/reference/python.md"]
    missing = [name for name in package.__all__ if not name.startswith("__") and not re.search(rf"\b{name}\b", text)]
    assert not missing


@pytest.mark.parametrize("page", TEXTS)
def test_every_link_leads_somewhere(page: str) -> None:
    for target, _, anchor in (link.partition("#") for link in re.findall(r"\]\(([^)]+)\)", TEXTS[page])):
        if "://" in target:
            continue
        path = ((ROOT / page).parent / target).resolve() if target else ROOT / page
        assert path.exists(), f"{page} links to {target}"
        if anchor:
            assert anchor in headings(path.read_text(encoding="utf-8")), f"{page} links to {target}#{anchor}"


def test_every_page_is_linked_from_the_index_of_the_documentation() -> None:
    linked = {
        (INDEX.parent / target.partition("#")[0]).resolve()
        for target in re.findall(r"\]\(([^)]+)\)", TEXTS["docs/README.md"])
    }
    assert set((ROOT / "docs").rglob("*.md")) - linked == {INDEX}


def test_every_page_that_the_code_names_exists() -> None:
    for path in (
        path
        for folder in ("facesearch", "indexes", "benchmarks", "scripts", "tests")
        for path in (ROOT / folder).rglob("*.py")
    ):
        for name in re.findall(r"\bdocs/[\w/-]+\.(?:md|svg|png)\b", path.read_text(encoding="utf-8")):
            assert (ROOT / name).exists(), f"{path.relative_to(ROOT)} names {name}"


def test_the_drawing_of_the_packages_shows_all_of_them_and_only_imports_that_there_are() -> None:
    (drawing,) = re.findall(r"```mermaid\n(.*?)```", TEXTS["docs/architecture.md"], re.DOTALL)
    drawn: set[tuple[str, str]] = set()
    for line in drawing.splitlines()[1:]:
        groups = [re.findall(r"\w+", group) for group in line.split("-->")]
        drawn |= {(a, b) for left, right in itertools.pairwise(groups) for a in left for b in right}
    assert {name for arrow in drawn for name in arrow} == layers() | {"indexes"}
    assert not drawn - package_imports()


def layers() -> set[str]:
    """The packages of facesearch, as the contract of import-linter lists them."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"][
        "contracts"
    ]
    of_layers = [contract for contract in contracts if contract["type"] == "layers"]
    (layered,) = (each["layers"] for each in of_layers if each["containers"] == ["facesearch"])
    return {name for layer in layered for name in re.findall(r"\w+", layer)}


def package_imports() -> set[tuple[str, str]]:
    """Which package imports which, at least somewhere."""
    found = set()
    for path in (*(ROOT / "facesearch").rglob("*.py"), *(ROOT / "indexes").rglob("*.py")):
        first, *rest = path.relative_to(ROOT).parts
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module:
                root, *inner = node.module.split(".")
                if root == "indexes" or (root == "facesearch" and inner):
                    found.add(
                        ("indexes" if first == "indexes" else rest[0], "indexes" if root == "indexes" else inner[0])
                    )
    return found


def test_commands_look_for_faces_of_the_same_size_as_the_library() -> None:
    from facesearch.faces import DEFAULT_MIN_FACE

    defaults = {p.default for _, command in commands() for p in command.params if p.name == "min_face"}
    assert defaults == {DEFAULT_MIN_FACE}


def test_the_tables_of_figures_are_those_of_the_committed_results() -> None:
    texts = {path: path.read_text(encoding="utf-8") for path in DOCUMENTS}
    assert sum(text.count("<!-- figures ") for text in texts.values()) == len(TABLES)
    for path, text in texts.items():
        assert filled(text) == text, f"{path.name}: run python -m benchmarks.figures"


def test_results_name_no_folder_of_a_machine() -> None:
    for path in sorted(RESULTS.glob("*.json")):
        assert not re.search(r"/(tmp|home|root|Users|work)/", path.read_text(encoding="utf-8")), path.name


def test_the_charts_are_drawn_from_the_committed_results() -> None:
    for path, chart in CHARTS.items():
        assert path.read_text(encoding="utf-8") == chart(), f"{path.name}: run python -m benchmarks.figures"


def test_every_error_stands_in_the_trees_of_errors() -> None:
    from facesearch import errors

    names = {name for name, each in vars(errors).items() if isinstance(each, type) and issubclass(each, Exception)}
    for tree in (errors.__doc__ or "", TEXTS["docs/reference/python.md"]):
        drawn = set(re.findall(r"─ (\w+Error)", tree)) | {"FacesearchError"}
        assert drawn == names
