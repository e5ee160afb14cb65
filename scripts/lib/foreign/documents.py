"""Makes GraphQL requests from the SDL: every argument, every member of an input object and every field, with foreign
values in the arguments, in variables, and in what surrounds a document."""

import hashlib
import json

from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLUnionType,
    get_named_type,
    is_abstract_type,
    is_composite_type,
)

from rest import HEADERS, Request

DEPTH = 4
# Selections of a type, after which earlier ones are used again.
SELECTIONS = 300
DIALECT = "graphql"
AROUND = ("alias", "argument", "comment", "extensions", "field", "fragment", "hash", "operationName", "variable")
# Arguments that say how many; small numbers keep an operation cheap.
SIZES = ("first", "last")


def places(schema):
    """Every argument as (root field, argument, member), with the members of input objects."""
    found = []
    for root in (schema.query_type, schema.mutation_type):
        for field, of in root.fields.items():
            for argument, one in of.args.items():
                kind = get_named_type(one.type)
                if isinstance(kind, GraphQLInputObjectType):
                    found += [(field, argument, member) for member in kind.fields]
                else:
                    found.append((field, argument, None))
    return found


def targets(schema):
    """The places for a foreign value: arguments, headers, and the parts of a request around the arguments."""
    return (
        [(DIALECT, "argument", place) for place in places(schema)]
        + [(DIALECT, "header", name) for name in HEADERS]
        + [(DIALECT, "around", name) for name in AROUND]
    )


class Documents:
    """Makes requests with the credential of one tenant and values of the other. `seen` has the fields selected."""

    def __init__(self, schema, maker):
        self.schema, self.maker, self.rng, self.pools, self.seen = schema, maker, maker.rng, maker.pools, set()
        self.queries, self.made = sorted(schema.query_type.fields), {}

    def make(self, target):
        _, place, name = target
        field, argument, member = name if place == "argument" else (self.rng.choice(self.queries), None, None)
        variables, definitions = {}, []
        is_mutation = field in self.schema.mutation_type.fields
        of = (self.schema.mutation_type if is_mutation else self.schema.query_type).fields[field]
        arguments = self.arguments(of, argument, member, variables, definitions)
        text = f"{field}{arguments}{self.some_selection(field, of.type)}"
        if not is_mutation and self.rng.random() < 0.15:
            other = self.rng.choice(self.queries)
            more = self.schema.query_type.fields[other]
            given = self.arguments(more, None, None, variables, definitions)
            text += f" second:{other}{given}{self.selection(more.type, 3, 10)}"
        head = f"({','.join(definitions)})" if definitions else ""
        body = {"query": f"{'mutation' if is_mutation else 'query'} Q{head}{{{text}}}", "variables": variables}
        if place == "around":
            self.around(body, name)
        headers = [("Authorization", f"Bearer {self.maker.tenant.key}")]
        if place == "header":
            headers.append((name, self.maker.header(name)))
        return self.request(body, headers, is_mutation, target)

    def request(self, body, headers, is_mutation, target):
        if not is_mutation and self.rng.random() < 0.15:
            query = [(name, value if isinstance(value, str) else json.dumps(value)) for name, value in body.items()]
            headers.append(("apollo-require-preflight", "true"))
            return Request("graphql get", "GET", "/graphql", query, headers, target=target)
        headers.append(("Content-Type", "application/json"))
        if not any(name == "Accept" for name, _ in headers) and self.rng.random() < 0.3:
            headers.append(("Accept", "application/graphql-response+json"))
        text = json.dumps(body, separators=(",", ":")).encode()
        operation = "graphql mutation" if is_mutation else "graphql post"
        return Request(operation, "POST", "/graphql", [], headers, text, target)

    def around(self, body, name):
        """Puts a foreign value where no argument is."""
        word = self.pools.of("external.text")
        if name == "alias":
            body["query"] = body["query"].replace("{", "{" + word + ":", 1)
        elif name == "argument":
            body["query"] = f"{{connectedUsersIndicator({word}:1){{connectedUsersCount}}}}"
        elif name == "comment":
            body["query"] += f" # {word}"
        elif name == "extensions":
            body["extensions"] = {"tenant": self.pools.of("tenant.id"), "user": self.pools.of("user.id")}
        elif name == "field":
            body["query"] = f"{{users{{{word}}}}}"
        elif name == "fragment":
            body["query"] = f"{{users{{edges{{node{{...{word}}}}}}}}} fragment {word} on User{{id}}"
        elif name == "hash":
            body.pop("query")
            body["extensions"] = {"persistedQuery": {"version": 1, "sha256Hash": self.pools.of("hash")}}
        elif name == "operationName":
            body["operationName"] = word
        else:
            body["variables"] = {**body["variables"], word: self.pools.any()}

    def arguments(self, field, target, member, variables, definitions):
        """The arguments of a field, as text; half of them as variables. One direction of paging only."""
        backward, parts = self.rng.random() < 0.3, []
        if target in ("first", "after", "last", "before"):
            backward = target in ("last", "before")
        for name, one in field.args.items():
            if name in ("first", "after") and backward or name in ("last", "before") and not backward:
                continue
            size_needed = name == "first" and not backward or name == "last" and backward
            is_required = isinstance(one.type, GraphQLNonNull) and one.default_value is not None
            if not (name == target or is_required or size_needed or self.rng.random() < 0.12):
                continue
            value = self.value(name, one.type, member if name == target else None)
            if self.rng.random() < 0.5:
                variable = f"v{len(variables)}"
                definitions.append(f"${variable}:{one.type}")
                variables[variable] = value
                parts.append(f"{name}:${variable}")
            else:
                parts.append(f"{name}:{literal(value, one.type)}")
        return f"({' '.join(parts)})" if parts else ""

    def value(self, name, kind, member=None):
        if isinstance(kind, GraphQLNonNull):
            return self.value(name, kind.of_type, member)
        if isinstance(kind, GraphQLList):
            return [self.value(name, kind.of_type, member) for _ in range(self.rng.randint(1, 3))]
        if isinstance(kind, GraphQLEnumType):
            return self.rng.choice(sorted(kind.values))
        if isinstance(kind, GraphQLInputObjectType):
            return {
                inner: self.value(inner, of.type)
                for inner, of in kind.fields.items()
                if inner == member or isinstance(of.type, GraphQLNonNull) or self.rng.random() < 0.1
            }
        if kind.name == "Int":
            return self.rng.randint(1, 3)
        if kind.name == "Boolean":
            return self.rng.random() < 0.5
        if kind.name == "DateTime":
            return (
                f"2017-03-0{1 if name == 'from' else 4}T00:00:00Z"
                if self.rng.random() < 0.5
                else f"2021-03-0{1 if name == 'from' else 4}T00:00:00Z"
            )
        if kind.name == "UUID":
            guids = [one for one in self.pools.kinds_of(name) if one.endswith(".guid")]
            return self.pools.of(self.rng.choice(guids or ["conversation.guid", "routing_rule.guid", "user.guid"]))
        if kind.name == "LegacyId":
            value = self.pools.value(name)
            return value if self.rng.random() < 0.8 else str(value)
        return self.pools.value(name)

    def some_selection(self, field, kind):
        made = self.made.setdefault(field, [])
        if len(made) < SELECTIONS:
            made.append(self.selection(kind, DEPTH, 40))
            return made[-1]
        return self.rng.choice(made)

    def selection(self, kind, depth, budget):
        """The selection of a type: each scalar field often, objects down to a depth, every type of an abstract one."""
        named = get_named_type(kind)
        if not is_composite_type(named):
            return ""
        parts = ["__typename"]
        if not isinstance(named, GraphQLUnionType):
            parts += self.fields(named, depth, budget)
        if is_abstract_type(named):
            for one in self.schema.get_possible_types(named):
                own = [name for name in one.fields if isinstance(named, GraphQLUnionType) or name not in named.fields]
                inner = self.fields(one, depth, budget // 2, own)
                parts += [f"... on {one.name}{{{' '.join(inner)}}}"] if inner else []
        return f"{{{' '.join(parts)}}}"

    def fields(self, kind, depth, budget, only=None):
        names = list(kind.fields if only is None else only)
        self.rng.shuffle(names)
        parts = []
        for name in names:
            field = kind.fields[name]
            is_object = is_composite_type(get_named_type(field.type))
            if len(parts) >= budget or is_object and (depth <= 1 or self.rng.random() < 0.4):
                continue
            # Alike wherever a field is selected twice, so that the selections can be merged.
            arguments = "(first:2)" if any(size in field.args for size in SIZES) else ""
            self.seen.add(f"{kind.name}.{name}")
            parts.append(f"{name}{arguments}{self.selection(field.type, depth - 1, budget // 2)}")
        return parts


def literal(value, kind):
    """A value in the syntax of a document."""
    if isinstance(kind, GraphQLNonNull):
        return literal(value, kind.of_type)
    if isinstance(value, list):
        of = kind.of_type if isinstance(kind, GraphQLList) else kind
        return "[" + ",".join(literal(one, of) for one in value) + "]"
    if isinstance(value, dict):
        return "{" + ",".join(f"{name}:{literal(one, kind.fields[name].type)}" for name, one in value.items()) + "}"
    return value if isinstance(kind, GraphQLEnumType) else json.dumps(value)


def hash_of(text):
    return hashlib.sha256(text.encode()).hexdigest()
