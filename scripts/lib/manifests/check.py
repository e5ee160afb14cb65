"""Checks the manifests of deploy/kubernetes against published schemas; an error seeded in each must be found."""
import copy
import json
import pathlib
import sys

import jsonschema
import kubernetes_validate
import yaml

FOLDER = pathlib.Path("deploy/kubernetes")
# The parts of the operator's published definition that are used here.
OPERATOR = json.loads(pathlib.Path("scripts/lib/manifests/cnpg-cluster.json").read_text())
VERSIONS = ["1.27", "1.37"]  # of Kubernetes: the oldest and the newest that is checked


def documents():
    return [document for path in sorted(FOLDER.glob("*.yaml")) for document in yaml.safe_load_all(path.read_text())]


def problem(document):
    """Returns what is wrong with a document; None if it fits its schema, with no unknown member."""
    try:
        if document["apiVersion"] == "postgresql.cnpg.io/v1" and document["kind"] == "Cluster":
            jsonschema.validate(document, OPERATOR)
        else:
            for version in VERSIONS:
                kubernetes_validate.validate(document, version, strict=True)
    except (jsonschema.ValidationError, kubernetes_validate.SchemaNotFoundError) as error:
        return error.message
    return None


def links(found):
    """Returns the disagreements between documents, which no schema covers."""
    by_kind = {document["kind"]: document for document in found}
    deployment, database = by_kind["Deployment"], by_kind["Cluster"]
    template = deployment["spec"]["template"]
    labels, container = template["metadata"]["labels"], template["spec"]["containers"][0]
    ports = {port["name"] for port in container["ports"]}
    secrets = {entry["valueFrom"]["secretKeyRef"]["name"] for entry in container["env"]}
    selectors = [deployment["spec"]["selector"]["matchLabels"], by_kind["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"],
                 by_kind["Service"]["spec"]["selector"],
                 *(part["labelSelector"]["matchLabels"] for part in template["spec"]["topologySpreadConstraints"])]
    probes = [container[name]["httpGet"]["port"] for name in ("startupProbe", "livenessProbe", "readinessProbe")]
    wrong = [f"the selector {selector} selects no pod" for selector in selectors if not selector.items() <= labels.items()]
    wrong += [f"no port is named {port}" for port in
              (*probes, *(port["targetPort"] for port in by_kind["Service"]["spec"]["ports"])) if port not in ports]
    if f"{database['metadata']['name']}-app" not in secrets:
        wrong.append("the servers do not use the secret that the operator makes")
    return wrong


def main():
    found = documents()
    wrong = [f"{document['kind']}: {why}" for document in found if (why := problem(document))] + links(found)
    for document in found:
        # A member with a typing error is what happens, and what Kubernetes ignores without a word.
        spoilt = copy.deepcopy(document)
        name = next(iter(spoilt["spec"]))
        spoilt["spec"][name + "s"] = spoilt["spec"].pop(name)
        if problem(spoilt) is None:
            wrong.append(f"a {document['kind']} with an unknown member is not found")
        renamed = copy.deepcopy(found)
        for other in renamed:
            if other["kind"] == document["kind"]:
                spoil_link(other)
        if not links(renamed):
            wrong.append(f"a {document['kind']} that selects nothing is not found")
    if wrong:
        sys.exit("\n".join(wrong))
    print(f"   {len(found)} documents fit the schemas of Kubernetes {' and '.join(VERSIONS)} and of CloudNativePG; "
          f"{2 * len(found)} seeded errors were found")


def spoil_link(document):
    """Renames what connects a document to the others."""
    kind, spec = document["kind"], document["spec"]
    if kind == "Cluster":
        document["metadata"]["name"] += "-other"
    elif kind == "Deployment":
        spec["template"]["metadata"]["labels"] = {"other": "label"}
    elif kind == "Service":
        spec["selector"] = {"other": "label"}
    else:
        spec["selector"]["matchLabels"] = {"other": "label"}


if __name__ == "__main__":
    main()
