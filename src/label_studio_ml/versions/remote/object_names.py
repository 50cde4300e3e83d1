"""Names of the objects in a remote store, relative to its URL.

<url>/versions/<project uid>/files/<version id>/     the files that `fit` wrote to its workdir
<url>/versions/<project uid>/meta/<version id>.json  the manifest, written last: its appearance is the commit
<url>/versions/<project uid>/meta/<version id>.deleted.json, .failed    as on a disk
<url>/versions/<project uid>/meta/served.json        the decision: which version is served
<url>/versions/<project uid>/decided/served.json     its copy, written before it: used where that is damaged
<url>/hints/<project uid>, <url>/changed             different after each change of the project, of any project

Uids and ids are percent-encoded as in the names of folders.
"""

from label_studio_ml.versions.store.decision_files import DECISION
from label_studio_ml.versions.store.version_files import file_name

#: Suffixes of a version's manifest before and after its deletion.
MANIFEST_SUFFIX, DELETED_SUFFIX = ".json", ".deleted.json"


def project_folder(uid: str) -> str:
    """Return the folder of a project's versions."""
    return f"versions/{file_name(uid)}"


def files_folder(uid: str, version_id: str) -> str:
    """Return the folder of a version's files."""
    return f"{project_folder(uid)}/files/{file_name(version_id)}"


def meta_folder(uid: str) -> str:
    """Return the folder of a project's manifests, load failures and decision."""
    return f"{project_folder(uid)}/meta"


def meta_object(uid: str, version_id: str, suffix: str = MANIFEST_SUFFIX) -> str:
    """Return the name of a version's manifest, or with another `suffix` of its record of deletion or load failure."""
    return f"{meta_folder(uid)}/{file_name(version_id)}{suffix}"


def decision_object(uid: str) -> str:
    """Return the name of a project's decision."""
    return f"{meta_folder(uid)}/{DECISION}"


def decision_copy(uid: str) -> str:
    """Return the name of the copy of a project's decision."""
    return f"{project_folder(uid)}/decided/{DECISION}"
