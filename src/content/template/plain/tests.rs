use super::super::{Asked, Content};
use super::super::{Kind, Library, Rendered, Source, SubjectRule, Submitted, Text, Values};
use super::*;
use crate::base::name::Name;
use proptest::prelude::*;
use serde_json::json;

/// Is it said without the engine?
fn is_plain(text: &str) -> bool {
    super::super::judge::judge(text).is_ok_and(|judged| judged.plain.is_some())
}

fn rendered(text: &str, given: &Json) -> Result<Rendered, String> {
    let text = Text::new(text);
    let content = Content { html: Some(text.clone()), text: Some(text), ..Content::default() };
    let source = Source {
        name: "t".parse().unwrap(),
        kind: Kind::Email,
        version: 1,
        subject_rule: SubjectRule::Submitted,
        variables: Vec::new(),
        contents: vec![(None, content)],
    };
    let (library, _) = Library::build(vec![source], Vec::new()).unwrap_or_else(|why| panic!("{why:?}"));
    let template = library.find(&Name::default_tenant(), &"t".parse().unwrap(), None).unwrap();
    let values = Values::new(given.as_object().unwrap().clone());
    let submitted = Submitted { html: Some("<b>&</b>".into()), ..Submitted::default() };
    template.render(&Asked { locale: None, values: &values, submitted: &submitted }).map_err(|why| why.to_string())
}

/// The same by the engine: what stands in front is nothing, and not plain.
fn by_the_engine(text: &str, given: &Json) -> Result<Rendered, String> {
    let text = format!("{{{{ '' ~ '' }}}}{text}");
    assert!(!is_plain(&text));
    rendered(&text, given)
}

fn given() -> Json {
    json!({
        "name": "A & <B> \"c\" 'd'", "n": 7, "big": 18446744073709551615u64, "minus": -3, "half": 3.5, "whole": 4.0,
        "tiny": 1e-9, "yes": true, "no": false, "void": null, "empty": "", "zero": 0, "nothing": [], "object": {},
        "list": [1, "two & 2", null, [3], { "a": "x" }], "words": ["a", "b"],
        "items": [{ "name": "Tea", "of": { "a": "1" } }, { "name": "<i>", "of": { "a": null } }],
        "item": "outer", "deep": { "a": { "b": { "c": "<" } } },
    })
}

#[test]
fn what_is_plain_is_said_as_the_engine_says_it() {
    for text in [
        "as it is { % }",
        "{{ name }}{{ n }} {{ big }} {{ minus }} {{ half }} {{ whole }} {{ tiny }} {{ yes }}{{ no }}{{ void }}{{ empty }}.",
        "{{ list }} {{ items }} {{ object }} {{ deep.a }}",
        "{{ 'a & b' }}{{ 1.0 }}{{ none }}{{ true }}",
        "{{ deep.a.b.c }}{# a comment #}{{ body_html }}{{ body_text }}{{ subject }}{{ locale }}{{ preheader }}",
        "{% for item in items %}\n  {{ item.name }}: {{ item.of.a }}\n{% endfor %}{{ item }}",
        "{%- for x in words -%} {{ x }}{% for x in list %}{% for y in words %}{{ x }}{{ y }}{% endfor %}{% endfor %}{{ x }} {%- endfor -%}",
        "{% for x in nothing %}x{% else %}{{ name }}{% endfor %}{% for x in words %}x{% else %}y{% endfor %}",
        "{% if yes %}1{% endif %}{% if not no %}2{% else %}3{% endif %}{% if void %}4{% elif n %}5{% else %}6{% endif %}",
        "{% if zero %}1{% endif %}{% if empty %}2{% endif %}{% if nothing %}3{% endif %}{% if object %}4{% endif %}",
        "{% if half %}1{% endif %}{% if name %}2{% endif %}{% if list %}3{% endif %}{% if deep %}4{% endif %}{% if tiny %}5{% endif %}",
        "{% if body_html %}1{% endif %}{% if preheader %}2{% endif %}{% if subject %}3{% endif %}{% if not locale %}4{% endif %}",
        "line\n",
        "",
    ] {
        assert!(is_plain(text), "{text}");
        assert_eq!(rendered(text, &given()), by_the_engine(text, &given()), "{text}");
    }
}

#[test]
fn whatever_else_is_left_to_the_engine() {
    for text in [
        "{{ name|upper }}",
        "{{ n + 1 }}",
        "{{ list[0] }}",
        "{% for x in words %}{{ loop.index }}{% endfor %}",
        "{% for a, b in list %}{% endfor %}",
        "{% for x in words if x %}{% endfor %}",
        "{% for x in [1, 2] %}{% endfor %}",
        "{% if name == 'x' %}{% endif %}",
        "{% if not (not name) %}{% endif %}",
        "{% if name is defined %}{% endif %}",
        "{% set x = 1 %}",
        "{% block a %}{% endblock %}",
        "{{ range(3) }}",
    ] {
        assert!(!is_plain(text), "{text}");
    }
    let nested = |depth: usize| {
        let (open, close) = ("{% if yes %}".repeat(depth), "{% endif %}".repeat(depth));
        open + "x" + &close
    };
    assert!(is_plain(&nested(limits::TEMPLATE_PLAIN_DEPTH_MAX)));
    assert!(!is_plain(&nested(limits::TEMPLATE_PLAIN_DEPTH_MAX + 1)));
}

#[test]
fn a_mistake_is_told_in_the_words_of_the_engine() {
    for text in [
        "{{ nam }}",
        "a\n{{ deep.b.c }}",
        "{{ deep.a.x }}",
        "{{ void.x }}",
        "{{ name.x }}",
        "{% for x in n %}{% endfor %}",
        "{% for x in nam %}{% endfor %}",
        "{% if nam %}{% endif %}",
        "{% for x in words %}{{ x }}{% endfor %}{{ x }}",
    ] {
        assert!(is_plain(text), "{text}");
        let (plain, engine) = (rendered(text, &given()), by_the_engine(text, &given()));
        assert!(plain.is_err(), "{text}");
        assert_eq!(plain, engine, "{text}");
    }
    // What the engine goes through and this does not.
    for text in ["{% for x in deep %}{{ x }}{% endfor %}", "{% for x in name %}{% endfor %}", "{{ range }}"] {
        assert_eq!(rendered(text, &given()), by_the_engine(text, &given()), "{text}");
    }
}

#[test]
fn the_bounds_are_the_engines() {
    let many = |count: usize| json!({ "many": vec![1; count] });
    let text = "{% for a in many %}{% for b in many %}{{ b }}{% endfor %}{% endfor %}";
    for count in [10, 100, 110, 120, 130, 140, 150, 200, 400] {
        assert_eq!(rendered(text, &many(count)), by_the_engine(text, &many(count)), "{count}");
    }
    assert!(rendered(text, &many(10)).is_ok());
    assert!(rendered(text, &many(400)).unwrap_err().contains("steps"));
    let long = json!({ "many": vec![1; 100], "long": "x".repeat(limits::TEMPLATE_OUTPUT_BYTES_MAX / 90) });
    let text = "{% for a in many %}{{ long }}{% endfor %}";
    assert!(rendered(text, &long).unwrap_err().contains("bytes"));
}

/// Texts of pieces that may be plain.
fn text() -> impl Strategy<Value = String> {
    let name = prop::sample::select(vec![
        "name",
        "n",
        "half",
        "yes",
        "void",
        "list",
        "words",
        "items",
        "item",
        "x",
        "deep",
        "deep.a",
        "deep.a.b.c",
        "item.name",
        "item.of.a",
        "x.a",
        "nam",
        "locale",
        "body_html",
        "subject",
    ]);
    let leaf = prop_oneof![
        "[ a-z<&\n]{0,6}",
        name.clone().prop_map(|name| format!("{{{{ {name} }}}}")),
        Just("{{- 'a' -}}".to_owned()),
    ];
    leaf.prop_recursive(4, 24, 4, move |inner| {
        let list = prop::sample::select(vec!["items", "words", "list", "nothing", "deep", "nam"]);
        let target = prop::sample::select(vec!["item", "x", "name"]);
        let inside = prop::collection::vec(inner, 0..4).prop_map(|all| all.concat());
        prop_oneof![
            (target, list, inside.clone(), inside.clone()).prop_map(|(target, list, body, otherwise)| {
                format!("{{% for {target} in {list} %}}{body}{{% else %}}{otherwise}{{% endfor %}}")
            }),
            (name.clone(), any::<bool>(), inside.clone(), inside).prop_map(|(name, is, then, otherwise)| {
                let not = if is { "" } else { "not " };
                format!("{{% if {not}{name} -%}}{then}{{% else %}}{otherwise}{{% endif %}}")
            }),
        ]
    })
}

proptest! {
    #[test]
    fn plain_and_engine_agree_about_any_text(text in text()) {
        prop_assert!(is_plain(&text), "{}", text);
        prop_assert_eq!(rendered(&text, &given()), by_the_engine(&text, &given()), "{}", text);
    }
}
