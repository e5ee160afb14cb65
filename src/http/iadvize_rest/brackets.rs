//! Form fields with nested names, such as `chat[available]=1`, `website_list[0]=7` or `website_list[]=7`, as a tree.

use std::borrow::Cow;

use serde_json::{Map, Value};

use crate::domain::Fault;
use crate::http::extract::Params;

/// Most pairs of brackets in one name.
const MAX_DEPTH: usize = 4;

/// A node of the tree while it is built.
enum Node<'a> {
    /// A value, or all values of a name that is repeated.
    Texts(Vec<&'a str>),
    /// Children by the name in their brackets. Empty brackets get the next number, so that only they can be repeated.
    Branch(Vec<(Cow<'a, str>, Node<'a>)>),
}

/// Returns the form as a JSON object in which every leaf is a string. Brackets that are all numbered or empty make a
/// list in the order of the numbers, and a name without brackets that is repeated a list in the order of the form.
///
/// [`Fault::Invalid`], with the field's name as given, for a field with brackets that is given twice, that is both a
/// value and an object, that is nested too deeply, or whose value is not UTF-8.
pub fn tree(params: &Params<'_>) -> Result<Map<String, Value>, Fault> {
    let mut root = Vec::new();
    for (name, value) in params.iter() {
        let path = path(name).ok_or_else(|| Fault::invalid(name, "is not a name with brackets"))?;
        let value = value?;
        if let [field] = path[..]
            && let Some((_, Node::Texts(texts))) = root.iter_mut().find(|(known, _)| *known == field)
        {
            texts.push(value);
            continue;
        }
        grow(&mut root, &path, value).ok_or_else(|| Fault::invalid(name, "is given twice"))?;
    }
    Ok(root.into_iter().map(|(name, node)| (name.into_owned(), node.into_value())).collect())
}

/// Splits a name: `a[b][0]` → `a`, `b`, `0`. `None` if its brackets are malformed or too many.
fn path(name: &str) -> Option<Vec<&str>> {
    let Some((first, rest)) = name.split_once('[') else { return Some(vec![name]) };
    let inner = rest.strip_suffix(']')?;
    let parts: Vec<&str> = std::iter::once(first).chain(inner.split("][")).collect();
    let is_plain = parts.iter().all(|part| !part.contains(['[', ']']));
    (is_plain && !first.is_empty() && parts.len() <= 1 + MAX_DEPTH).then_some(parts)
}

fn grow<'a>(branch: &mut Vec<(Cow<'a, str>, Node<'a>)>, path: &[&'a str], value: &'a str) -> Option<()> {
    let (first, rest) = path.split_first()?;
    let name = match *first {
        "" => Cow::Owned(branch.len().to_string()),
        name => Cow::Borrowed(name),
    };
    let at = branch.iter().position(|(known, _)| *known == name);
    match (at, rest) {
        (None, []) => branch.push((name, Node::Texts(vec![value]))),
        (None, rest) => {
            let mut inner = Vec::new();
            grow(&mut inner, rest, value)?;
            branch.push((name, Node::Branch(inner)));
        }
        (Some(at), rest @ [_, ..]) => match &mut branch[at].1 {
            Node::Branch(inner) => grow(inner, rest, value)?,
            Node::Texts(_) => return None,
        },
        (Some(_), []) => return None,
    }
    Some(())
}

impl Node<'_> {
    fn into_value(self) -> Value {
        let branch = match self {
            Node::Texts(texts) => {
                let mut values: Vec<Value> = texts.into_iter().map(Value::from).collect();
                return if values.len() == 1 { values.swap_remove(0) } else { Value::Array(values) };
            }
            Node::Branch(branch) => branch,
        };
        let numbers: Option<Vec<u32>> = branch.iter().map(|(name, _)| name.parse().ok()).collect();
        match numbers {
            Some(numbers) => {
                let mut numbered: Vec<_> = numbers.into_iter().zip(branch).collect();
                numbered.sort_by_key(|(number, _)| *number);
                Value::Array(numbered.into_iter().map(|(_, (_, node))| node.into_value()).collect())
            }
            None => {
                Value::Object(branch.into_iter().map(|(name, node)| (name.into_owned(), node.into_value())).collect())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(form: &str) -> Result<Value, Fault> {
        Ok(Value::Object(tree(&Params::parse(form.as_bytes())?)?))
    }

    #[test]
    fn brackets_nest() {
        assert_eq!(read("a=1&b=&c%5Bd%5D=x%2Cy"), Ok(json!({ "a": "1", "b": "", "c": { "d": "x,y" } })));
        assert_eq!(read("a[b][c]=1&a[b][d]=2&a[e]=3"), Ok(json!({ "a": { "b": { "c": "1", "d": "2" }, "e": "3" } })));
        assert_eq!(read("l[1]=b&l[0]=a&m[]=x&m[]=y"), Ok(json!({ "l": ["a", "b"], "m": ["x", "y"] })));
        assert_eq!(read("l[0][id]=1&l[1][id]=2"), Ok(json!({ "l": [{ "id": "1" }, { "id": "2" }] })));
        assert_eq!(read("l=b&a=1&l=a"), Ok(json!({ "a": "1", "l": ["b", "a"] })));
        assert_eq!(read(""), Ok(json!({})));
    }

    #[test]
    fn ambiguous_and_malformed_names_are_rejected() {
        for form in ["a[b]=1&a[b]=2", "a=1&a[b]=2", "a[b]=1&a=2", "a[0]=1&a[0]=2", "a[]=1&a[0]=2"] {
            assert!(read(form).is_err(), "{form}");
        }
        for form in ["a[b=1", "a]b[=1", "[a]=1", "a[b]c=1", "a[[b]]=1", "a[1][2][3][4][5]=1", "a=%FF"] {
            assert!(read(form).is_err(), "{form}");
        }
    }
}
