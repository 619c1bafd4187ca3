//! Without a mouse and without eyes; and what stays in the browser.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use fantoccini::key::Key;
use serde_json::{Value, json};

use crate::browser::{Browser, Page};
use crate::support::sample;

/// Presses Tab until the focus is where a script says.
async fn tab_to(page: &Page, what: &str, reached: &str) {
    for _ in 0..60 {
        page.press(Key::Tab).await;
        if page.client.execute(&format!("return {reached}"), vec![]).await.unwrap() == json!(true) {
            return;
        }
    }
    panic!("{what} cannot be reached by keyboard");
}

async fn focused(page: &Page, id: &str) {
    tab_to(page, id, &format!("document.activeElement.id === '{id}'")).await;
}

#[tokio::test]
async fn everything_can_be_reached_heard_and_done_without_a_mouse() {
    let Some(browser) = Browser::open(&sample().canonicalize().unwrap()).await else { return };
    let page = &browser.page;
    focused(page, "sample").await;
    page.press(Key::Enter).await;
    page.result().await;

    // A correction, its export, a wish and a dislike, from the result on, where the focus is.
    tab_to(page, "a mood", "document.activeElement.textContent === 'Sad'").await;
    page.press(Key::Enter).await;
    page.until("an answer", "return JSON.parse(localStorage.getItem('answers'))").await;
    focused(page, "feedback-export").await;
    page.press(Key::Enter).await;
    let exported = browser.folder.path().join("answers.csv");
    let begin = Instant::now();
    while !exported.exists() {
        assert!(begin.elapsed() < Duration::from_secs(10), "no file was downloaded");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let csv = std::fs::read_to_string(exported).unwrap();
    let lines: Vec<&str> = csv.lines().collect();
    assert_eq!(lines[0], "time,clip,recognised,said,Calm,Happy,Sad,Energetic");
    let answer: Vec<&str> = lines[1].split(',').collect();
    let shown = page.text("#mood").await;
    assert!(
        lines.len() == 2 && answer[1..4] == ["the sample", shown.as_str(), "Sad"] && answer.len() == 8,
        "{csv}"
    );

    focused(page, "count").await;
    page.press(Key::Up).await;
    // The catalogue holds four happy songs, which suit the corrected mood.
    page.until("a count of six", "return document.getElementById('count').value === '6'").await;
    page.until("the happy songs", "return document.querySelectorAll('#songs li').length >= 4").await;
    let first = page.text("#songs li:first-child a").await;
    tab_to(page, "Dislike", "document.activeElement.textContent === 'Dislike'").await;
    page.press(Key::Enter).await;
    let gone = format!("return document.querySelector('#songs li a').textContent !== {}", json!(first));
    page.until("another first song", &gone).await;
    let lost = page.client.execute("return document.activeElement === document.body", vec![]).await.unwrap();
    assert_eq!(lost, json!(false), "the focus is not lost with the song");

    names_and_roles(page).await;
    browser.close().await;
}

/// What a screen reader is told, by Chromium's own tree.
async fn names_and_roles(page: &Page) {
    page.chrome("goog/cdp/execute", json!({ "cmd": "Accessibility.enable", "params": {} })).await;
    let tree =
        page.chrome("goog/cdp/execute", json!({ "cmd": "Accessibility.getFullAXTree", "params": {} })).await;
    let mut roles = BTreeSet::new();
    for node in tree["nodes"].as_array().unwrap() {
        let value = |key: &str| node[key]["value"].as_str().unwrap_or_default().to_string();
        let (role, name) = (value("role"), value("name"));
        if node["ignored"] == Value::Bool(true) {
            continue;
        }
        let told = [
            "button",
            "link",
            "spinbutton",
            "combobox",
            "image",
            "img",
            "meter",
            "region",
            "group",
            "heading",
            "table",
        ];
        if told.contains(&role.as_str()) {
            assert!(!name.trim().is_empty() || role == "group", "a {role} without a name: {node}");
        }
        roles.insert(role);
    }
    for role in [
        "main",
        "region",
        "heading",
        "button",
        "link",
        "spinbutton",
        "combobox",
        "status",
        "alert",
        "table",
        "list",
    ] {
        assert!(roles.contains(role), "{role} is not among {roles:?}");
    }
    assert!(roles.contains("image") || roles.contains("img"), "{roles:?}");
    let languages =
        "return document.documentElement.lang === 'en' && document.querySelectorAll('h1').length === 1";
    assert_eq!(page.client.execute(languages, vec![]).await.unwrap(), json!(true));
}
