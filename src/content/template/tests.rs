use super::*;
use crate::base::limits;
use crate::base::name::Name;
use proptest::prelude::*;
use serde_json::{Map, Value as Json, json};

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

fn source(text_name: &str, kind: Kind, pieces: &[(Piece, &str)]) -> Source {
    let mut content = Content::default();
    for (piece, text) in pieces {
        super::files::set(&mut content, *piece, Text::new(*text));
    }
    Source {
        name: name(text_name),
        kind,
        version: 1,
        subject_rule: SubjectRule::Submitted,
        variables: Vec::new(),
        contents: vec![(None, content)],
    }
}

fn html(text: &str) -> Source {
    source("t", Kind::Email, &[(Piece::Subject, "Hello"), (Piece::Html, text)])
}

fn values(json: Json) -> Values {
    let Json::Object(map) = json else { panic!("an object") };
    Values::new(map)
}

fn built(sources: Vec<Source>) -> Result<Library, String> {
    let lines = |mistakes: Vec<Mistake>| mistakes.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
    Library::build(sources, Vec::new()).map(|(library, _)| library).map_err(lines)
}

fn rendered_with(
    library: &Library,
    locale: Option<&str>,
    values: &Values,
    submitted: &Submitted,
) -> Result<Rendered, String> {
    let locale = locale.map(|locale| locale.parse().unwrap());
    let template = library.find(&Name::default_tenant(), &name("t"), None).map_err(|why| why.to_string())?;
    template.render(&Asked { locale: locale.as_ref(), values, submitted }).map_err(|why| why.to_string())
}

fn rendered(source: Source, given: Json) -> Result<Rendered, String> {
    rendered_with(&built(vec![source])?, None, &values(given), &Submitted::default())
}

fn made(text: &str, given: Json) -> Result<String, String> {
    rendered(html(text), given).map(|rendered| rendered.html.unwrap())
}

#[test]
fn values_are_filled_in_and_escaped() {
    let given = json!({ "name": "<b>\"Ada\" & 'Co'</b>", "a": { "b": 7 }, "list": [1, 2], "yes": true, "none": null });
    assert_eq!(made("{{name}}", given.clone()).unwrap(), "&lt;b&gt;&quot;Ada&quot; &amp; &#39;Co&#39;&lt;/b&gt;");
    assert_eq!(
        made("{{ a.b }}{% for x in list %},{{x}}{% endfor %}{% if yes %}!{% endif %}{{none}}", given).unwrap(),
        "7,1,2!"
    );
    assert_eq!(made("{{ x|safe }}", json!({ "x": "<i>" })).unwrap(), "<i>");
    assert_eq!(made("@media x{#a{b:c}} {# gone #}{{ x }}", json!({ "x": 1 })).unwrap(), "@media x{#a{b:c}} 1");
    let text = source("t", Kind::Email, &[(Piece::Text, "{{ x }}")]);
    assert_eq!(rendered(text, json!({ "x": "<&>" })).unwrap().text, "<&>");
}

#[test]
fn what_is_missing_is_named_with_its_line() {
    assert_eq!(
        made("\n\n{{ nmae }}", json!({ "name": 1 })).unwrap_err(),
        "template t@1, html line 3: variable \"nmae\" is missing; did you mean it by \"name\"?"
    );
    assert_eq!(
        made("{{ a.c.d }}", json!({ "a": {} })).unwrap_err(),
        "template t@1, html line 1: variable \"a.c.d\" is missing"
    );
    assert_eq!(made("{{ x|default('-') }}{% if y is defined %}{{ y }}{% endif %}", json!({})).unwrap(), "-");
    let library = built(vec![html("{{ a }}{{ b|default(1) }}{% for c in d %}{{ c }}{% endfor %}")]).unwrap();
    let template = library.find(&Name::default_tenant(), &name("t"), None).unwrap();
    let account = template.account(None, &values(json!({ "a": 1, "e": 2, "b": 3 })));
    assert_eq!((account.missing, account.unused), (vec!["d".to_owned()], vec!["e".to_owned()]));
}

#[test]
fn what_templates_may_not_say_is_refused_before_it_runs() {
    for (text, why) in [
        ("{{{x}}}", "{{ x|safe }}"),
        ("{{#if x}}", "{% if x %}"),
        ("{{> x}}", "include"),
        ("{% set a = b ~ b %}", "behind a filter"),
        ("{% set a = (b + b) if c else d %}", "behind a filter"),
        ("{% with a = b * 1000000 %}{% endwith %}", "behind a filter"),
        ("{% set a %}x{% endset %}", "block"),
        ("{% set a = [b, b] %}", "plain texts"),
        ("{% set a = {'k': b} %}", "plain texts"),
        ("{% for x in y recursive %}{% endfor %}", "recursive"),
        ("{% filter upper %}x{% endfilter %}", "filter"),
        ("{% autoescape false %}{{ x }}{% endautoescape %}", "always escaped"),
        ("{% include name %}", "in quotes"),
        ("{% include 'nobody' %}", "there is no partial \"nobody\""),
        ("{% extends 'nobody' %}", "there is no layout \"nobody\""),
        ("{% import 'x' as y %}", "import"),
        ("{{ x|upcase }}", "there is no filter \"upcase\""),
        ("{{ x|uper }}", "did you mean \"upper\"?"),
        ("{{ x is defind }}", "did you mean \"defined\"?"),
        ("{{ debug() }}", "there is no function \"debug\""),
        ("{{ x.items() }}", "there is no function \"items\""),
        ("{{ namespace(a=1) }}", "there is no function"),
        ("{{ x ", "cannot be read"),
        ("{% if x %}", "cannot be read"),
        ("{% endif %}", "cannot be read"),
        ("{% macro f() %}{% endmacro %}", "cannot be read"),
    ] {
        let said = built(vec![html(text)]).err().unwrap_or_else(|| panic!("{text} is taken"));
        assert!(said.contains(why), "{text}: {said}");
        assert!(said.contains("html line 1"), "{text}: {said}");
    }
    let long = format!("{{{{ {} }}}}", vec!["a"; 600].join(" - "));
    assert!(built(vec![html(&long)]).err().unwrap().contains("in one tag"));
    assert!(built(vec![html(&"x".repeat(limits::TEMPLATE_BYTES_MAX + 1))]).err().unwrap().contains("longer than"));
}

#[test]
fn no_template_runs_on_or_fills_the_memory() {
    let endless = "{% for a in range(50000) %}{% for b in range(50000) %}{{ b }}{% endfor %}{% endfor %}";
    assert!(made(endless, json!({})).unwrap_err().contains("endless loop"));
    let given = json!({ "x": "a".repeat(60_000) });
    for (text, why) in [
        ("{% for a in range(5000) %}{{ x }}{% endfor %}", "more than 16777216 bytes"),
        ("{{ x|replace('a', x) }}", "more than 1048576 bytes"),
        ("{{ x|list|join(x) }}", "more than 1048576 bytes"),
        ("{{ 'a'|indent(100000000) }}", ""),
        ("{{ [1]|batch(100000000, 'x') }}", "more than 1048576 bytes"),
        ("{{ (x * 1000)|upper }}", "too much work"),
        ("{% for a in range(3000) %}{{ x|upper|length }}{% endfor %}", "too much work"),
    ] {
        let said = made(text, given.clone());
        assert!(said.as_ref().err().is_some_and(|said| said.contains(why)) || why.is_empty(), "{text}: {said:?}");
    }
    // Doubled as often as a template can say it: the bound of a filter stands in the way.
    let doubling = "{% set x = (x ~ x)|trim %}".repeat(40);
    assert!(made(&format!("{doubling}{{{{ x|length }}}}"), given).is_err());
}

#[test]
fn layouts_and_partials_are_found_in_the_language_and_the_kind_of_text() {
    let mut mail = source(
        "t",
        Kind::Email,
        &[
            (Piece::Subject, "Hi"),
            (Piece::Html, "{% extends 'page' %}{% block body %}{{ x }}{{ super() }}{% include 'sign' %}{% endblock %}"),
            (Piece::Text, "{{ x }} {% include 'sign' %}"),
        ],
    );
    mail.contents.push((
        Some("de".parse().unwrap()),
        Content { text: Some(Text::new("{{ x }} auf deutsch {% include 'sign' %}")), ..Content::default() },
    ));
    mail.contents
        .push((Some("de-at".parse().unwrap()), Content { subject: Some(Text::new("Servus")), ..Content::default() }));
    let page = source("page", Kind::Layout, &[(Piece::Html, "<body>{% block body %}<p>old{% endblock %}</body>")]);
    let mut sign = source("sign", Kind::Partial, &[(Piece::Html, "<i>{{ x }}</i>"), (Piece::Text, "-- us")]);
    sign.contents
        .push((Some("de".parse().unwrap()), Content { text: Some(Text::new("-- wir")), ..Content::default() }));
    let library = built(vec![mail, page, sign]).unwrap();
    let render = |locale| rendered_with(&library, locale, &values(json!({ "x": "<" })), &Submitted::default()).unwrap();
    let english = render(None);
    assert_eq!(english.html.unwrap(), "<body>&lt;<p>old<i>&lt;</i></body>");
    assert_eq!((english.text.as_str(), english.subject.as_str()), ("< -- us", "Hi"));
    let austrian = render(Some("de-AT"));
    assert_eq!((austrian.text.as_str(), austrian.subject.as_str()), ("< auf deutsch -- wir", "Servus"));
    // A body is of one language: what has no HTML there has none.
    assert_eq!(austrian.html, None);
    assert_eq!(render(Some("fr")).subject, "Hi");
}

#[test]
fn a_circle_of_templates_ends() {
    let a = source("a", Kind::Partial, &[(Piece::Html, "{% include 'b' %}")]);
    let b = source("b", Kind::Partial, &[(Piece::Html, "{% include 'a' %}")]);
    let library = built(vec![html("{% include 'a' %}"), a, b]).unwrap();
    assert!(rendered_with(&library, None, &values(json!({})), &Submitted::default()).is_err());
}

#[test]
fn declared_variables_have_types_defaults_and_examples() {
    let declared = |kind, optional, default: Option<Json>| Declared {
        name: "v".into(),
        kind,
        optional,
        default,
        example: None,
        description: String::new(),
    };
    for (kind, given, shown) in [
        (Type::Number, json!("12.5"), Some("12.5")),
        (Type::Number, json!("twelve"), None),
        (Type::Boolean, json!("yes"), Some("true")),
        (Type::List, json!("[1]"), Some("[1]")),
        (Type::Text, json!(["x"]), None),
        (Type::Url, json!("https://example.net/?a=b"), Some("https://example.net/?a=b")),
        (Type::Url, json!("javascript:alert(1)"), None),
        (Type::Url, json!("java\nscript:x"), None),
        (Type::Date, json!("2026-11-21"), Some("2026-11-21")),
        (Type::Date, json!("2026-11-21T12:00:00Z"), Some("2026-11-21T12:00:00Z")),
        (Type::Date, json!("yesterday"), None),
    ] {
        let source = Source { variables: vec![declared(kind, false, None)], ..html("{{ v }}") };
        let said = rendered(source, json!({ "v": given }));
        match shown {
            Some(shown) => assert_eq!(said.unwrap().html.unwrap(), shown, "{given}"),
            None => assert!(said.unwrap_err().contains("variable \"v\" takes a"), "{given}"),
        }
    }
    let optional =
        Source { variables: vec![declared(Type::Text, true, None)], ..html("[{{ v }}{% if v %}x{% endif %}]") };
    assert_eq!(rendered(optional, json!({})).unwrap().html.unwrap(), "[]");
    let default = Source { variables: vec![declared(Type::Number, false, Some(json!(7)))], ..html("{{ v }}") };
    assert_eq!(rendered(default, json!({})).unwrap().html.unwrap(), "7");
    let needed = Source { variables: vec![declared(Type::Number, false, None)], ..html("{{ v }}") };
    assert!(rendered(needed, json!({})).unwrap_err().contains("variable \"v\" is missing"));
    let undeclared = Source { variables: vec![declared(Type::Number, false, None)], ..html("\n{{ w }}") };
    assert_eq!(
        built(vec![undeclared]).err().unwrap(),
        "template t@1, html line 2: variable \"w\" is not declared; did you mean \"v\"?"
    );
    // With an example for all, a mistake is found before the first mail.
    let example = Declared { example: Some(json!([1])), ..declared(Type::List, false, None) };
    let broken = Source { variables: vec![example], ..html("{{ v.name }}") };
    assert!(built(vec![broken]).err().unwrap().contains("html line 1"));
}

#[test]
fn submitted_parts_stand_in_the_template() {
    let library = built(vec![html("<div>{{ body_html }}</div>{{ body_text }}|{{ subject }}")]).unwrap();
    let submitted = |html: Option<&str>, text: Option<&str>, subject: Option<&str>| Submitted {
        html: html.map(str::to_owned),
        text: text.map(str::to_owned),
        subject: subject.map(str::to_owned),
    };
    let made = |submitted: Submitted| rendered_with(&library, None, &values(json!({})), &submitted).unwrap();
    let both = made(submitted(Some("<p>{{ x }}&amp;"), Some("a<b"), Some("Given {{ y }}")));
    assert_eq!(
        both.html.unwrap(),
        "<div><p>{{ x }}&amp;</div>a&lt;b|Given {{ y }}",
        "what was submitted is no template"
    );
    assert_eq!(both.subject, "Given {{ y }}");
    assert_eq!(
        made(submitted(None, Some("a\r\nb\r\n\r\n<c>"), Some("  "))).html.unwrap(),
        "<div><p>a<br>\nb</p>\n<p>&lt;c&gt;</p>\n</div>a\r\nb\r\n\r\n&lt;c&gt;|Hello"
    );
    let authoritative = Source { subject_rule: SubjectRule::Template, ..html("x") };
    let library = built(vec![authoritative]).unwrap();
    let subject =
        rendered_with(&library, None, &values(json!({})), &submitted(None, None, Some("mine"))).unwrap().subject;
    assert_eq!(subject, "Hello");
}

#[test]
fn a_preheader_stands_where_readers_look_for_it() {
    let mail = |html| source("t", Kind::Email, &[(Piece::Preheader, "For {{ n }}:\n 5 > 3"), (Piece::Html, html)]);
    let made = rendered(mail("<html><body class=\"a>b\"><p>Text</p>"), json!({ "n": "x" })).unwrap();
    let html = made.html.unwrap();
    assert!(html.starts_with("<html><body class=\"a>b\"><div style=\"display:none;"), "{html}");
    assert!(html.contains(">For x: 5 &gt; 3</div><p>Text"), "{html}");
    assert_eq!(made.text, "Text\n");
    let own = rendered(mail("<b>{{ preheader }}</b>"), json!({ "n": "x" })).unwrap().html.unwrap();
    assert_eq!(own, "<b>For x: 5 &gt; 3</b>");
}

#[test]
fn html_reads_as_text() {
    for (html, text) in [
        ("<p>Hello&nbsp;<b>you</b>,</p><p>how   are\nyou?</p>", "Hello you,\n\nhow are you?\n"),
        ("<h1>Title</h1><h3>Less</h3>Text", "Title\n=====\n\nLess\n\nText\n"),
        (
            "<ul><li>one<li><p>two</p><ol start=3><li>a</li><li>b</li></ol></ul>after",
            "- one\n- two\n\n  3. a\n  4. b\n\nafter\n",
        ),
        ("<a href=\"https://example.net/?a=1&amp;b=2\">here</a>", "here (https://example.net/?a=1&b=2)\n"),
        (
            "<a href='https://example.net/'>example.net</a> <a href=mailto:a@b.example>a@b.example</a>",
            "example.net a@b.example\n",
        ),
        ("<a href=\"https://x.example\"><img alt=\"Our  logo\" src=x></a>", "Our logo (https://x.example)\n"),
        ("<a href=\"https://x.example\"><img src=x></a>", "https://x.example\n"),
        (
            "<table><tr><th>Item</th><th>Price</th></tr><tr><td>Tea</td><td>3 &euro;</td></tr></table>",
            "Item | Price\nTea | 3 \u{20ac}\n",
        ),
        ("a<br>b<br/><br>c<hr>d", "a\nb\n\nc\n\n----------\n\nd\n"),
        ("<style>p{}</style><!-- x > y --><script>if (a<b) {}</script><title>T</title>x", "x\n"),
        ("<div style=\"display: none\"><div>pre</div>header</div>x", "x\n"),
        ("<blockquote>quoted<br>twice</blockquote>own", "> quoted\n> twice\n\nown\n"),
        ("<pre>a\n  b\n</pre>", "a\n  b\n"),
        ("1 < 2 &amp;amp; &#65;&#x42; &unknown; &", "1 < 2 &amp; AB &unknown; &\n"),
        ("", ""),
    ] {
        assert_eq!(html_to_text(html), text, "{html}");
    }
}

#[test]
fn folders_are_read_with_the_place_of_each_mistake() {
    let file =
        |name: &str, text: &str| File { name: name.into(), path: format!("templates/t/{name}"), text: text.into() };
    let folder = |files: Vec<File>| Folder { name: "t".into(), path: "templates/t".into(), files };
    let about = "version = 3\nauthoritative = true\nsubject = { default = \"Hi {{ who }}\", de = \"Servus\" }\n\
        [variables]\nwho = \"text\"\n[variables.price]\ntype = \"number\"\nexample = 3\noptional = true\n";
    let good = read_folder(&folder(vec![
        file("template.toml", about),
        file("html.j2", "{{ who }}"),
        file("text.de-AT.txt", "x"),
    ]));
    let source = good.unwrap();
    assert_eq!(
        (source.version, source.subject_rule, source.variables.len(), source.contents.len()),
        (3, SubjectRule::Template, 2, 3)
    );
    for (about, html, line) in [
        (
            "version = 3\nauthoritative = 7",
            "html",
            "templates/t/template.toml:2: error: \"authoritative\" takes true or false",
        ),
        ("verson = 3", "html", "templates/t/template.toml:1: error: unknown key \"verson\": did you mean \"version\"?"),
        ("a = [", "html", "templates/t/template.toml:1: error:"),
        (
            "[variables]\nx = \"money\"",
            "html",
            "templates/t/template.toml:2: error: the type of variable \"x\" is one of text",
        ),
        (
            "",
            "htlm",
            "templates/t/htlm: error: a template has template.toml, subject, preheader, html and text; did you mean \"html\"?",
        ),
        ("", "html.english!", "templates/t/html.english!: error: a locale is"),
        ("", "subject", "templates/t: error: there is neither"),
        ("", "html.de", "templates/t: error: html or text without a language is missing"),
    ] {
        let mistakes = read_folder(&folder(vec![file("template.toml", about), file(html, "x")])).unwrap_err();
        assert!(mistakes[0].line_of_file().starts_with(line), "{}", mistakes[0].line_of_file());
    }
}

#[test]
fn messages_are_templates_in_place() {
    let library = Library::default();
    let given = values(json!({ "x": "<b>\r\n", "y": "ok" }));
    let place = library.in_place(&Name::default_tenant(), &given);
    assert_eq!(place.render(Part::Html, "{{ y }}{{ x }}").unwrap().unwrap(), "ok&lt;b&gt;\r\n");
    assert_eq!(place.render(Part::Text, "{{ x }}").unwrap().unwrap(), "<b>\r\n");
    assert_eq!(place.render(Part::Html, "nothing } here").unwrap(), None);
    let said = place.render(Part::Subject, "Hello {{ x }}!").unwrap_err().to_string();
    assert_eq!(said, "the message as a template, subject: variable \"x\" has a line end in it, and stands in a header");
    let said = place.render(Part::Text, "\n{{ z }}").unwrap_err().to_string();
    assert_eq!(said, "the message as a template, its text line 2: variable \"z\" is missing");
}

proptest! {
    #[test]
    fn no_value_leaves_its_place_in_html(value in "[<>\"'&;/a-z =\\PC]{0,40}") {
        let made = made("<p title=\"{{ x }}\" lang='{{ x }}'>{{ x }}</p>", json!({ "x": value })).unwrap();
        let inner = made.strip_prefix("<p title=\"").unwrap().strip_suffix("</p>").unwrap();
        let (title, rest) = inner.split_once("\" lang='").unwrap();
        let (lang, text) = rest.split_once("'>").unwrap();
        prop_assert!(title == lang && lang == text);
        prop_assert!(!text.contains(['<', '>', '"', '\'']));
    }

    #[test]
    fn no_value_begins_a_header_field(value in "[\r\n\0a-z:\\PC]{0,30}") {
        let source = source("t", Kind::Email, &[(Piece::Subject, "Hi {{ x }}!"), (Piece::Text, "x")]);
        if let Ok(made) = rendered(source, json!({ "x": value })) {
            prop_assert!(!made.subject.chars().any(char::is_control));
        }
    }

    #[test]
    fn no_text_of_a_template_breaks_the_engine(
        text in "(\\{\\{|\\}\\}|\\{%|%\\}|\\{#|#\\}| for x in y | endfor | if | endif | set a = |x|y|\\||upper|\\(|\\)|\\[|\\]|\\.|'|\"|~|\\+|-|\\*|1|range\\(9\\)|include 'a'|block b|endblock|<p>|\n| ){0,40}",
        given in "\\PC{0,10}",
    ) {
        let _ = made(&text, json!({ "x": given, "y": [given, 1] }));
        let _ = html_to_text(&text);
    }

    #[test]
    fn any_html_has_a_text(html in "(<[a-z/!?-]{0,6}|>|\"|'|=|href=|&[a-z#0-9]{0,5};?|<li>|<ol>|</ol>|<td>|<a href=x>|</a>|<pre>|\u{e9}|\\PC| |\n){0,60}") {
        let text = html_to_text(&html);
        prop_assert!(text.is_empty() || text.ends_with('\n'));
    }
}

#[test]
fn variables_of_one_recipient_are_over_those_of_all() {
    let common = values(json!({ "a": 1, "b": 2 }));
    let mut own = Map::new();
    own.insert("b".into(), json!(3));
    let one = common.of_one(own);
    let library = built(vec![html("{{ a }}{{ b }}")]).unwrap();
    assert_eq!(rendered_with(&library, None, &one, &Submitted::default()).unwrap().html.unwrap(), "13");
}
