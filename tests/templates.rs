//! Templates as their writers meet them: files that a reload takes or refuses, and the API over a real control
//! socket.

use crate::running::{DOORS, Daemon, Ran, Yard, eventually};
use gatepost::net::unix_http;
use hyper::Method;
use serde_json::{Value, json};
use std::path::Path;

fn ask(daemon_data: &Path, method: Method, path: &str, body: &Value) -> (u16, Value) {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let answer = runtime.block_on(unix_http::ask(&daemon_data.join("control.sock"), method, path, body)).unwrap();
    (answer.status.as_u16(), serde_json::from_slice(&answer.body).unwrap())
}

struct Api {
    data: std::path::PathBuf,
}

impl Api {
    fn of(yard: &Yard, daemon: &Daemon) -> Self {
        let _ = daemon;
        let data = walk(yard.folder()).expect("a control socket");
        Self { data }
    }

    fn does(&self, method: Method, path: &str, body: Value, expected: u16) -> Value {
        let (status, answer) = ask(&self.data, method, path, &body);
        assert_eq!(status, expected, "{path} {body}: {answer}");
        answer
    }

    fn get(&self, path: &str) -> Value {
        self.does(Method::GET, path, Value::Null, 200)
    }

    fn post(&self, path: &str, body: Value, expected: u16) -> Value {
        self.does(Method::POST, path, body, expected)
    }

    /// A change is in force when the node has heard of it.
    fn renders(&self, body: Value) -> Value {
        let asked = || {
            let (status, answer) = ask(&self.data, Method::POST, "/api/v1/templates/render", &body);
            (status == 200).then_some(answer)
        };
        eventually(asked).expect("it is rendered")
    }
}

fn walk(folder: &Path) -> Option<std::path::PathBuf> {
    if folder.join("control.sock").exists() {
        return Some(folder.to_owned());
    }
    let inner = std::fs::read_dir(folder).ok()?.filter_map(Result::ok).map(|entry| entry.path());
    inner.filter(|path| path.is_dir()).find_map(|path| walk(&path))
}

fn error(answer: &Value) -> (&str, &str) {
    (answer["error"]["code"].as_str().unwrap(), answer["error"]["message"].as_str().unwrap())
}

#[test]
fn a_mistake_in_one_file_refuses_the_reload_and_names_its_line() {
    let yard = Yard::with(DOORS);
    for folder in ["templates/hello", "templates/page"] {
        std::fs::create_dir_all(yard.path(folder)).unwrap();
    }
    yard.write("templates/page/template.toml", "kind = \"layout\"\n");
    yard.write("templates/page/html", "<body>{% block body %}{% endblock %}</body>");
    yard.write("templates/hello/html", "{% extends 'page' %}{% block body %}Hello {{ name }}{% endblock %}");
    let daemon = yard.start();
    let api = Api::of(&yard, &daemon);
    let given = json!({ "template": "hello", "variables": { "name": "<Ada>", "more": 1 } });
    let made = api.renders(given.clone());
    assert_eq!(
        (made["html"].as_str(), made["text"].as_str()),
        (Some("<body>Hello &lt;Ada&gt;</body>"), Some("Hello <Ada>\n"))
    );
    assert_eq!(made["unused"], json!(["more"]));

    yard.write("templates/hello/html", "{% extends 'page' %}\n{% block body %}{{ name|uper }}{% endblock %}");
    let said = daemon.refuses();
    assert!(
        said.contains("hello/html:2: error: there is no filter \\\"uper\\\"; did you mean \\\"upper\\\"?"),
        "{said}"
    );
    let Ran { code, out, .. } = yard.run(&["check"]);
    assert!(code == Some(78) && out.contains("hello/html:2: error:"), "{out}");
    assert_eq!(api.renders(given.clone())["html"], made["html"], "what runs stays");

    yard.write("templates/hello/html", "{% extends 'page' %}{% block body %}{{ name|upper }}{% endblock %}");
    daemon.reloads();
    assert_eq!(api.renders(given)["html"], "<body>&lt;ADA&gt;</body>");
    assert!(yard.run(&["check"]).out.contains("ok: 2 templates in "));
    let shown = api.get("/api/v1/templates/file:hello");
    assert_eq!((&shown["source"], &shown["type"]), (&json!("file"), &json!("email")));
    let refused = api.does(Method::DELETE, "/api/v1/templates/file:hello", Value::Null, 409);
    assert_eq!(error(&refused).0, "template_is_a_file");
}

#[test]
fn templates_are_made_changed_found_and_tried_through_the_api() {
    let yard = Yard::with(DOORS);
    let daemon = yard.start();
    let api = Api::of(&yard, &daemon);
    let order = json!({
        "name": "order", "subject": "Order {{ number }}", "html": "<p>{{ number }}</p>", "text": "No. {{ number }}",
        "variables": { "number": { "type": "number", "example": 7 } },
        "locales": { "de": { "subject": "Bestellung {{ number }}" } },
    });
    let made = api.post("/api/v1/templates", order.clone(), 201);
    let id = made["id"].as_str().unwrap().to_owned();
    assert_eq!((&made["active_version"], &made["used"], &made["source"]), (&json!(1), &json!(0), &json!("store")));
    assert_eq!(error(&api.post("/api/v1/templates", order, 409)).0, "name_taken");

    let german = json!({ "template": "order", "locale": "de-AT", "variables": { "number": 12 } });
    let rendered = api.renders(german.clone());
    assert_eq!(
        (&rendered["subject"], &rendered["text"], &rendered["template"]),
        (&json!("Bestellung 12"), &json!("No. 12"), &json!("order@1"))
    );
    let missing = api.renders(json!({ "template": "order", "variables": { "x": 1 } }));
    assert_eq!(
        (&missing["missing"], &missing["unused"], &missing["html"]),
        (&json!(["number"]), &json!(["x"]), &Value::Null)
    );

    // Another version waits until it is made active.
    let versions = format!("/api/v1/templates/{id}/versions");
    let second = api.post(&versions, json!({ "html": "<p>two</p>" }), 201);
    assert_eq!((&second["version"], &second["active"]), (&json!(2), &json!(false)));
    assert_eq!(api.renders(german)["template"], "order@1");
    api.post(&format!("{versions}/2/activate"), Value::Null, 200);
    let two = || {
        let (_, answer) = ask(&api.data, Method::POST, "/api/v1/templates/render", &json!({ "template": "order" }));
        (answer["template"] == "order@2").then_some(())
    };
    eventually(two).expect("the other version is in force");
    assert_eq!(api.get(&versions)["data"].as_array().unwrap().len(), 2);
    assert_eq!(api.get(&format!("{versions}/1"))["content"]["text"], "No. {{ number }}");

    let names = |path: &str| {
        let list = api.get(path);
        let names = list["data"].as_array().unwrap().iter().map(|row| row["name"].as_str().unwrap().to_owned());
        names.collect::<Vec<_>>().join(" ")
    };
    assert_eq!(names("/api/v1/templates?q=tw"), "order");
    assert_eq!(
        (names("/api/v1/templates?q=bestellung"), names("/api/v1/templates?type=layout")),
        (String::new(), String::new())
    );

    for (path, body, status, code, words) in [
        ("/api/v1/templates", json!({ "name": "x", "html": "{{ x" }), 422, "invalid_template", "html line 1"),
        (
            "/api/v1/templates",
            json!({ "name": "x", "html": "{% include 'y' %}" }),
            422,
            "invalid_template",
            "there is no partial",
        ),
        ("/api/v1/templates", json!({ "name": "x" }), 400, "invalid_field", "html"),
        ("/api/v1/templates", json!({ "name": "a b", "html": "x" }), 400, "invalid_field", "name"),
        ("/api/v1/templates", json!({ "name": "x", "htlm": "x" }), 400, "unknown_field", "did you mean"),
        ("/api/v1/templates", json!({ "name": "x", "html": "x", "tenant": "nobody" }), 404, "unknown_tenant", "nobody"),
        (
            "/api/v1/templates/validate",
            json!({ "inline": { "html": "{{#if}}" } }),
            422,
            "invalid_template",
            "{% if x %}",
        ),
        ("/api/v1/templates/render", json!({ "template": "oder" }), 422, "invalid_template", "did you mean \"order\"?"),
        ("/api/v1/templates/render", json!({}), 400, "missing_field", "template"),
    ] {
        let refused = api.post(path, body.clone(), status);
        let (said, message) = error(&refused);
        assert!(said == code && message.contains(words), "{body}: {said} {message}");
    }
    let tried =
        api.renders(json!({ "inline": { "subject": "Hi {{ x }}", "text": "{{ x }}" }, "variables": { "x": 1 } }));
    assert_eq!((&tried["subject"], &tried["text"]), (&json!("Hi 1"), &json!("1")));
    assert_eq!(
        api.post("/api/v1/templates/validate", json!({ "inline": { "html": "{{ a }}" } }), 200)["variables"],
        json!(["a"])
    );

    // What others include stays as long as they do.
    let sign = api.post("/api/v1/templates", json!({ "name": "sign", "type": "partial", "html": "--" }), 201);
    let sign = format!("/api/v1/templates/{}", sign["id"].as_str().unwrap());
    let using = json!({ "name": "letter", "html": "{% include 'sign' %}" });
    let made = eventually(|| {
        let (status, answer) = ask(&api.data, Method::POST, "/api/v1/templates", &using);
        (status == 201).then_some(answer)
    });
    let letter = format!("/api/v1/templates/{}", made.unwrap()["id"].as_str().unwrap());
    let heard = || {
        (ask(&api.data, Method::POST, "/api/v1/templates/render", &json!({ "template": "letter" })).0 == 200)
            .then_some(())
    };
    eventually(heard).expect("the letter is there");
    assert_eq!(error(&api.does(Method::DELETE, &sign, Value::Null, 409)).0, "template_in_use");
    api.does(Method::DELETE, &letter, Value::Null, 200);
    eventually(|| (ask(&api.data, Method::DELETE, &sign, &Value::Null).0 == 200).then_some(()))
        .expect("not needed any more");
    api.does(Method::PATCH, &format!("/api/v1/templates/{id}"), json!({ "active": false }), 200);
    assert_eq!(api.get(&format!("/api/v1/templates/{id}"))["active"], false);
}

#[test]
fn the_examples_of_the_house_are_good() {
    let yard = Yard::with(DOORS);
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("conf/templates");
    yard.configure(&format!("[templates]\ndirectory = \"{}\"\n{DOORS}", examples.display()));
    let ran = yard.run(&["check"]);
    assert!(ran.code == Some(0) && ran.out.contains("ok: 3 templates in "), "{ran:?}");
}
