//! Tests of the OpenAPI description, with external tools that use it.

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::{Value, json};

use crate::client::get;
use crate::server::Server;
use crate::support::recommend_songs;

#[test]
fn the_interface_is_described_as_it_is() {
    let server = Server::start(&["--workers", "1"]);
    let described: Value =
        serde_json::from_slice(&get(&format!("{}/api/openapi.json", server.address)).1).unwrap();
    for path in ["/api/recognize", "/api/recommend", "/api/health"] {
        assert!(described["paths"][path].is_object(), "{path}");
    }
    for (path, kinds) in [("/api/recognize", 8), ("/api/wav", 1), ("/api/playlist", 2)] {
        let parameters = described["paths"][path]["post"]["parameters"].as_array().unwrap();
        assert_eq!(parameters.len(), kinds, "{path}");
        assert!(parameters.iter().all(|parameter| parameter["in"] == "query"), "{path}: {parameters:?}");
    }
    let recognize = &described["paths"]["/api/recognize"]["post"];
    for kind in ["application/octet-stream", "multipart/form-data"] {
        assert!(recognize["requestBody"]["content"][kind].is_object(), "{kind}: {recognize}");
    }
    for status in ["400", "403", "408", "413", "415", "422", "503"] {
        assert!(recognize["responses"][status].is_object(), "{status}");
    }
    for path in ["/api/recommend", "/api/playlist"] {
        let busy = &described["paths"][path]["post"]["responses"]["503"];
        assert!(busy["headers"]["Retry-After"].is_object(), "{path}");
    }
    let schemas = &described["components"]["schemas"];
    assert!(schemas["Recognized"].is_object(), "{described}");
    assert_eq!(schemas["Mood"]["enum"], json!(["Calm", "Happy", "Sad", "Energetic"]));
    assert_eq!(schemas["SongOptions"]["properties"]["liked"]["maxItems"], 1000);
    validate(&described);

    // The description of the answer has the same fields as an answer.
    let keys = |of: &Value| of.as_object().unwrap().keys().cloned().collect::<BTreeSet<String>>();
    let answer = recommend_songs(&["--count", "1"]);
    assert_eq!(keys(&schemas["Answer"]["properties"]), keys(&answer));
    assert_eq!(keys(&schemas["SongItem"]["properties"]), keys(&answer["songs"][0]));
}

/// Validates a description with `openapi-spec-validator`, if it is installed.
fn validate(description: &Value) {
    let file = tempfile::Builder::new().suffix(".json").tempfile().unwrap();
    std::fs::write(file.path(), description.to_string()).unwrap();
    match Command::new("openapi-spec-validator").arg(file.path()).output() {
        Ok(output) => assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout)),
        Err(_) => println!("skipped: there is no openapi-spec-validator"),
    }
}

/// Lets schemathesis, if it is installed, send requests that the description allows and requests that it forbids.
#[test]
fn the_interface_does_what_its_description_says() {
    let server = Server::start(&[]);
    let described = format!("{}/api/openapi.json", server.address);
    // OpenAPI cannot describe which bytes are speech, nor that at least one of four numbers is above 0.
    let arguments = ["--max-examples", "25", "--exclude-checks", "positive_data_acceptance"];
    let bounds = ["--seed", "1", "--no-color"];
    // A request that is too large is refused before it is parsed, so the status is not that of an invalid request.
    let folder = tempfile::TempDir::new().unwrap();
    let settings = folder.path().join("settings.toml");
    let refusals = "[checks.negative_data_rejection]\nexpected-statuses = [400, 403, 404, 405, 408, 413, 415, 422, 503]\n";
    std::fs::write(&settings, refusals).unwrap();
    let mut command = Command::new("schemathesis");
    command.arg("--config-file").arg(&settings).args(["run", &described]).args(arguments).args(bounds);
    // It runs in a temporary folder, because it stores its requests in the current folder.
    match command.current_dir(&folder).output() {
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stdout);
            assert!(output.status.success(), "{said}");
            let passed = said.lines().find(|line| line.contains(" passed")).unwrap_or_default();
            println!("schemathesis: {}", passed.trim());
        }
        Err(_) => println!("skipped: there is no schemathesis"),
    }
}
