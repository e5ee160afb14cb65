//! The types of the schema's fields, arguments and members, indexed by name.

use std::collections::HashMap;

use async_graphql::parser::parse_schema;
use async_graphql::parser::types::{
    BaseType, FieldDefinition, InputValueDefinition, OperationType, Type, TypeKind, TypeSystemDefinition,
};
use async_graphql::{Name, Positioned};
use async_graphql_value::ConstValue;

/// The introspection types, which the SDL of a schema leaves out.
const INTROSPECTION: &str = "
    type __Schema { description: String! types: [__Type!]! queryType: __Type! mutationType: __Type
        subscriptionType: __Type directives: [__Directive!]! }
    type __Type { kind: __TypeKind! name: String description: String fields(includeDeprecated: Boolean! = false):
        [__Field!] interfaces: [__Type!] possibleTypes: [__Type!] enumValues(includeDeprecated: Boolean! = false):
        [__EnumValue!] inputFields(includeDeprecated: Boolean! = false): [__InputValue!] ofType: __Type
        specifiedByURL: String isOneOf: Boolean }
    type __Field { name: String! description: String args(includeDeprecated: Boolean! = false): [__InputValue!]!
        type: __Type! isDeprecated: Boolean! deprecationReason: String }
    type __InputValue { name: String! description: String type: __Type! defaultValue: String isDeprecated: Boolean!
        deprecationReason: String }
    type __EnumValue { name: String! description: String isDeprecated: Boolean! deprecationReason: String }
    type __Directive { name: String! description: String locations: [__DirectiveLocation!]!
        args(includeDeprecated: Boolean! = false): [__InputValue!]! isRepeatable: Boolean! }
    type __Root { __schema: __Schema! __type(name: String!): __Type }
    enum __TypeKind { SCALAR } enum __DirectiveLocation { FIELD }";

/// The type in [`INTROSPECTION`] that has the root fields of introspection.
const INTROSPECTION_ROOT: &str = "__Root";

/// The schema's types and directives.
pub struct Signatures {
    types: HashMap<Name, NamedType>,
    directives: HashMap<Name, Inputs>,
    query: Name,
    mutation: Name,
    subscription: Name,
    /// The type of `__typename`.
    typename: Type,
}

/// Arguments or members by name.
pub type Inputs = HashMap<Name, Input>;

/// A type with a name.
pub enum NamedType {
    /// An object, with its fields.
    Object(HashMap<Name, Field>),
    /// An interface, with its fields.
    Interface(HashMap<Name, Field>),
    /// A union.
    Union,
    /// An enum.
    Enum,
    /// A scalar.
    Scalar,
    /// An input object, with its members.
    InputObject(Inputs),
}

/// A field of a type.
pub struct Field {
    /// The type of its values.
    pub of: Type,
    /// Its arguments.
    pub arguments: Inputs,
}

/// An argument, or a member of an input object.
pub struct Input {
    /// The type of its values.
    pub of: Type,
    /// Its default.
    pub default: Option<ConstValue>,
}

impl Signatures {
    /// Reads the SDL of a schema.
    pub fn read(sdl: &str) -> Self {
        let named = |name| Type { base: BaseType::Named(Name::new(name)), nullable: false };
        let mut signatures = Signatures {
            types: HashMap::new(),
            directives: HashMap::new(),
            query: Name::new("Query"),
            mutation: Name::new("Mutation"),
            subscription: Name::new("Subscription"),
            typename: named("String"),
        };
        // Both texts are fixed, and a test reads them: neither fails to parse.
        let documents = [sdl, INTROSPECTION].map(parse_schema).into_iter().flatten();
        for definition in documents.flat_map(|document| document.definitions) {
            signatures.add(definition);
        }
        signatures
    }

    fn add(&mut self, definition: TypeSystemDefinition) {
        match definition {
            TypeSystemDefinition::Schema(schema) => {
                let name = |found: Option<Positioned<Name>>, usual: &Name| found.map_or(usual.clone(), |it| it.node);
                self.query = name(schema.node.query, &self.query);
                self.mutation = name(schema.node.mutation, &self.mutation);
                self.subscription = name(schema.node.subscription, &self.subscription);
            }
            TypeSystemDefinition::Type(of) => {
                let kind = match of.node.kind {
                    TypeKind::Object(object) => NamedType::Object(fields(object.fields)),
                    TypeKind::Interface(interface) => NamedType::Interface(fields(interface.fields)),
                    TypeKind::Union(_) => NamedType::Union,
                    TypeKind::Enum(_) => NamedType::Enum,
                    TypeKind::Scalar => NamedType::Scalar,
                    TypeKind::InputObject(object) => NamedType::InputObject(inputs(object.fields)),
                };
                self.types.insert(of.node.name.node, kind);
            }
            TypeSystemDefinition::Directive(directive) => {
                self.directives.insert(directive.node.name.node, inputs(directive.node.arguments));
            }
        }
    }

    /// Returns the name of the root type of an operation.
    pub fn root(&self, kind: OperationType) -> &str {
        match kind {
            OperationType::Query => &self.query,
            OperationType::Mutation => &self.mutation,
            OperationType::Subscription => &self.subscription,
        }
    }

    /// Returns a type by name. The scalars that every schema has are in no SDL, and so return `None`.
    pub fn named(&self, name: &str) -> Option<&NamedType> {
        self.types.get(name)
    }

    /// Returns true for an object type: two different ones have no object in common.
    pub fn is_object(&self, name: &str) -> bool {
        matches!(self.named(name), Some(NamedType::Object(_)))
    }

    /// Returns true for a type of which fields are selected.
    pub fn is_composite(&self, name: &str) -> bool {
        matches!(self.named(name), Some(NamedType::Object(_) | NamedType::Interface(_) | NamedType::Union))
    }

    /// Returns a field of a type, including those of introspection except `__typename`.
    pub fn field(&self, parent: &str, name: &str) -> Option<&Field> {
        let root = (parent == self.query.as_str() && name.starts_with("__")).then_some(INTROSPECTION_ROOT);
        match self.named(root.unwrap_or(parent))? {
            NamedType::Object(fields) | NamedType::Interface(fields) => fields.get(name),
            _ => None,
        }
    }

    /// Returns the type of a field's values; `None` for an unknown field, which the validator rejects.
    pub fn type_of(&self, parent: &str, name: &str) -> Option<&Type> {
        if name == "__typename" { Some(&self.typename) } else { self.field(parent, name).map(|field| &field.of) }
    }

    /// Returns the arguments of a directive.
    pub fn directive(&self, name: &str) -> Option<&Inputs> {
        self.directives.get(name)
    }
}

fn fields(all: Vec<Positioned<FieldDefinition>>) -> HashMap<Name, Field> {
    let field = |of: FieldDefinition| (of.name.node, Field { of: of.ty.node, arguments: inputs(of.arguments) });
    all.into_iter().map(|of| field(of.node)).collect()
}

fn inputs(all: Vec<Positioned<InputValueDefinition>>) -> Inputs {
    let input = |of: InputValueDefinition| {
        (of.name.node, Input { of: of.ty.node, default: of.default_value.map(|value| value.node) })
    };
    all.into_iter().map(|of| input(of.node)).collect()
}

/// Returns the name of a type without its lists.
pub fn base(of: &Type) -> &str {
    match &of.base {
        BaseType::Named(name) => name,
        BaseType::List(of) => base(of),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::http::graphql::{schema, sdl};

    /// Compares every field and argument, also those of introspection, with what the schema answers about itself.
    #[tokio::test]
    async fn every_type_of_the_schema_is_known() {
        let of = "kind name ofType{kind name ofType{kind name ofType{kind name}}}";
        let inputs = format!("name defaultValue type{{{of}}}");
        let query = format!(
            "{{__schema{{directives{{name args{{{inputs}}}}} types{{kind name inputFields{{{inputs}}}
                fields(includeDeprecated:true){{name type{{{of}}} args(includeDeprecated:true){{{inputs}}}}}}}}}}}"
        );
        let answer = schema().finish().execute(query).await.data.into_json().unwrap();
        let signatures = Signatures::read(&sdl());
        let list = |of: &Value| of.as_array().cloned().unwrap_or_default();
        let compare = |known: &Inputs, all: &Value| {
            assert_eq!(known.len(), list(all).len(), "{all}");
            for input in list(all) {
                let found = &known[input["name"].as_str().unwrap()];
                assert_eq!(found.of.to_string(), written(&input["type"]), "{input}");
                assert_eq!(found.default.is_some(), !input["defaultValue"].is_null(), "{input}");
            }
        };
        for of in list(&answer["__schema"]["types"]) {
            let name = of["name"].as_str().unwrap();
            let fields = list(&of["fields"]);
            let known = match signatures.named(name) {
                Some(NamedType::Object(known) | NamedType::Interface(known)) => known.len(),
                _ => 0,
            };
            assert_eq!(known, fields.len(), "{name}");
            for field in fields {
                let found = signatures.field(name, field["name"].as_str().unwrap()).unwrap();
                assert_eq!(found.of.to_string(), written(&field["type"]), "{name}: {field}");
                compare(&found.arguments, &field["args"]);
            }
            match signatures.named(name) {
                Some(NamedType::InputObject(known)) => compare(known, &of["inputFields"]),
                Some(NamedType::Enum) => assert_eq!(of["kind"], "ENUM"),
                Some(_) => assert!(of["kind"] != "ENUM" && of["kind"] != "INPUT_OBJECT", "{of}"),
                None => assert_eq!(of["kind"], "SCALAR", "{of}"),
            }
        }
        for name in ["skip", "include"] {
            let all = list(&answer["__schema"]["directives"]);
            let directive = all.iter().find(|directive| directive["name"] == name).unwrap();
            compare(signatures.directive(name).unwrap(), &directive["args"]);
        }
        assert_eq!(signatures.type_of("Query", "__schema").unwrap().to_string(), "__Schema!");
    }

    fn written(of: &Value) -> String {
        match of["kind"].as_str().unwrap() {
            "NON_NULL" => format!("{}!", written(&of["ofType"])),
            "LIST" => format!("[{}]", written(&of["ofType"])),
            _ => of["name"].as_str().unwrap().to_owned(),
        }
    }
}
