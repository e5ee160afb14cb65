"""Draws foreign values for the parameters of requests, by the parameter's name."""

import re

# Kinds of values by the words of a parameter's name; the first that matches.
BY_NAME = tuple(
    (re.compile(words, re.IGNORECASE), kinds)
    for words, kinds in (
        ("tenant|account", ("tenant.id", "tenant.name")),
        ("routing.?rule|to_rule", ("routing_rule.guid", "routing_rule.id")),
        ("routing.?group|to_group", ("routing_group.guid", "routing_group.id")),
        ("presence", ("presence.guid", "presence.id", "presence.text")),
        ("conversation", ("conversation.guid", "slot.text")),
        ("session", ("session.text",)),
        ("device", ("device.text",)),
        ("external", ("external.text",)),
        ("mail|username", ("email.email",)),
        ("skill.?name|skill_options", ("skill.text",)),
        ("website|project", ("project.id", "project.guid")),
        ("skill", ("skill.id", "skill.guid", "skill.text")),
        ("queue", ("queue.id", "queue.guid")),
        ("campaign", ("campaign.id", "campaign.guid")),
        ("group|parent", ("group.id", "group.guid", "routing_group.guid")),
        ("client_id|^key$", ("key.id",)),
        ("user|operator|agent|subject|^id$|ids$", ("user.id", "user.guid", "external.text", "email.email")),
        ("after|before|cursor", ("cursor",)),
        ("name|pseudo|sso", ("name.text", "first.text", "group.text", "pseudo.text", "sso.text")),
        ("eventid", ("event.text",)),
    )
)
# Kinds that a tenant may store without showing anything of the other: every value of the second half of each.
STORED = (
    "user.id",
    "user.guid",
    "external.text",
    "email.email",
    "session.text",
    "device.text",
    "slot.text",
    "event.text",
    "source.text",
    "conversation.guid",
    "project.id",
    "project.guid",
    "group.id",
    "group.guid",
    "skill.id",
    "skill.guid",
    "queue.id",
    "queue.guid",
    "campaign.id",
    "campaign.guid",
    "routing_group.id",
    "routing_group.guid",
    "routing_rule.id",
    "routing_rule.guid",
    "presence.id",
    "presence.guid",
)


class Pools:
    """Values of the other tenant by kind. With `stored` only those that requests which store something may have, so
    that the others must appear in no answer at all."""

    def __init__(self, other, rng, stored=False):
        self.rng = rng
        if stored:
            self.pools = {kind: values[len(values) // 2 :] for kind, values in other.pools.items() if kind in STORED}
        else:
            self.pools = {kind: values for kind, values in other.pools.items() if values}
        # Values that are Base64 or a hash are no part of a longer text.
        self.kinds = sorted(kind for kind in self.pools if kind not in ("cursor", "hash"))
        self.by_name = {}

    def bait(self):
        return [value for values in self.pools.values() for value in values]

    def any(self):
        return self.of(self.rng.choice(self.kinds))

    def of(self, kind):
        """A value of a kind; of any, if there is none of this one."""
        return self.rng.choice(self.pools.get(kind) or self.pools[self.rng.choice(self.kinds)])

    def kinds_of(self, name):
        if name not in self.by_name:
            fitting = next((kinds for words, kinds in BY_NAME if words.search(name)), ())
            self.by_name[name] = [kind for kind in fitting if kind in self.pools]
        return self.by_name[name]

    def value(self, name):
        """A value for a parameter: mostly of a kind that fits its name, sometimes of any other."""
        kinds = self.kinds_of(name)
        if not kinds or self.rng.random() < 0.15:
            return self.any()
        return self.of(self.rng.choice(kinds))

    def integer(self, name):
        kinds = [kind for kind in self.kinds_of(name) if kind.endswith(".id") and kind not in ("tenant.id", "key.id")]
        return self.of(self.rng.choice(kinds or ["user.id"]))
