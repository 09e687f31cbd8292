"""Files, folders and standard input in; plain objects with their origin out. And objects back to YAML.

Whatever a file holds ends here as `Document`s and `Broken`s: nothing later sees bytes, YAML or a parser's error.
What an object means is not known here. PyYAML is imported with the first document, not with this package: `--help`
does not pay for it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import IO

from webhook.manifests.files import STDIN, Broken, Content, Document, NoSuchPath, Skipped, Unbuilt, contents

__all__ = ["STDIN", "Broken", "Content", "Document", "NoSuchPath", "Skipped", "Unbuilt", "dump", "read", "read_content"]
Found = Document | Broken | Skipped | Unbuilt


def read(paths: Sequence[str], stdin: IO[bytes], exclude: Sequence[str] = ()) -> Iterator[Found]:
    """Read every document of `paths`, in order; `-` is `stdin`.

    A folder is read recursively: `*.yaml *.yml *.json`, no dot-files, sorted, without what matches a glob of
    `exclude`. A folder of Kustomize's or Helm's in it is one `Unbuilt`. A path named twice is read once.
    Any mapping is a `Document`, `List` objects and values files included; each thing that cannot be read is one
    `Broken`, and the documents around it still count. Raises NoSuchPath, before anything is read, where a path
    does not exist or a folder holds no manifest.
    """
    return _documents(contents(paths, stdin, exclude))


def _documents(files: Iterator[Content | Broken | Unbuilt]) -> Iterator[Found]:
    for file in files:
        if isinstance(file, Content):
            yield from read_content(file)
        else:
            yield file


def read_content(content: Content) -> Iterator[Document | Broken | Skipped]:
    """Read every document of one text."""
    from webhook.manifests.parse import documents  # noqa: PLC0415 - PyYAML costs more than all of `--help`

    yield from documents(content.name, content.data)


def dump(objects: Iterable[Mapping[str, object]]) -> str:
    """Write objects as YAML documents for `kubectl apply -f -`.

    Block style as kubectl prints it, key order kept, no aliases; a string that any YAML 1.1 reader could take for
    something else is quoted.
    """
    from webhook.manifests.emit import emit  # noqa: PLC0415 - see read_content

    return emit(objects)
