//! Tests of the page with the keyboard only and with a screen reader, and of stored data.

use std::collections::BTreeSet;

use fantoccini::key::Key;
use serde_json::{Value, json};

use crate::browser::{Browser, Page};
use crate::support::sample;

/// Presses Tab until the expression `reached` is true.
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
    // Record and Live are each started and stopped.
    focused(page, "record").await;
    page.press(Key::Enter).await;
    page.until("a recording", "return document.getElementById('record').dataset.state === 'on' && document.getElementById('clock').textContent >= '0:02'").await;
    page.press(Key::Enter).await;
    page.result().await;
    assert!(page.text("#clip").await.starts_with("your recording"), "{}", page.text("#clip").await);
    page.client.refresh().await.unwrap();
    focused(page, "live").await;
    page.press(Key::Enter).await;
    page.until("readings", "return Number(document.getElementById('live-now').dataset.readings) >= 2").await;
    page.press(Key::Enter).await;
    page.until("its end", "return document.getElementById('live').dataset.state === 'closed'").await;
    page.client.refresh().await.unwrap();
    focused(page, "sample").await;
    page.press(Key::Enter).await;
    page.result().await;

    // A few presses of Tab move the focus from the result to the first song.
    let mut stops = 0;
    while !page.holds("document.activeElement.matches('#songs a')").await {
        page.press(Key::Tab).await;
        stops += 1;
        assert!(stops <= 6, "too many tab stops before the first song");
    }

    // Correct the mood with arrow keys, export the answers, change a preference and hide a song.
    page.client.execute("document.getElementById('result').focus()", vec![]).await.unwrap();
    tab_to(page, "a mood", "document.activeElement.matches('#feedback-moods button')").await;
    page.press(Key::Right).await;
    page.press(Key::Right).await;
    page.press(Key::Enter).await;
    page.until("an answer", "return JSON.parse(localStorage.getItem('voice-mood-music.answers'))").await;
    assert_eq!(page.text("#feedback-status").await, "Thank you. The songs are now for “sad”.");
    focused(page, "feedback-export").await;
    page.press(Key::Enter).await;
    let csv = browser.downloaded("answers.csv").await;
    let lines: Vec<&str> = csv.lines().collect();
    assert_eq!(lines[0], "\u{feff}time,clip,recognised,said,Calm,Happy,Sad,Energetic");
    let answer: Vec<&str> = lines[1].split(',').collect();
    let shown = page.text("#mood").await;
    assert!(
        lines.len() == 2 && answer[1..4] == ["the sample", shown.as_str(), "Sad"] && answer.len() == 8,
        "{csv}"
    );

    tab_to(page, "More", "document.activeElement.matches('#more summary')").await;
    page.press(Key::Enter).await;
    focused(page, "count").await;
    page.press(Key::Up).await;
    // The catalogue has four happy songs, which suit the corrected mood.
    page.until("a count of six", "return document.getElementById('count').value === '6'").await;
    page.until("the happy songs", "return document.querySelectorAll('#songs li').length >= 4").await;
    page.client.execute("document.getElementById('songs-title').focus()", vec![]).await.unwrap();
    let first = page.text("#songs li:first-child a").await;
    tab_to(page, "Hide", "document.activeElement.matches('#songs .hide')").await;
    page.press(Key::Enter).await;
    let gone = format!("return document.querySelector('#songs li a').textContent !== {}", json!(first));
    page.until("another first song", &gone).await;
    page.until("the way back", "return document.activeElement.id === 'undo-button'").await;
    page.press(Key::Enter).await;
    page.until("the song's return", &gone.replace("!==", "===")).await;
    assert!(page.holds("document.activeElement !== document.body").await, "the focus is not lost");

    page.click("#heard summary").await;
    let loaded =
        "return [...document.querySelectorAll('#pictures img')].filter((i) => i.complete).length == 3";
    page.until("pictures", loaded).await;
    names_and_roles(page).await;
    browser.close().await;
}

/// Checks names and roles for screen readers in Chromium's accessibility tree.
async fn names_and_roles(page: &Page) {
    page.chrome("goog/cdp/execute", json!({ "cmd": "Accessibility.enable", "params": {} })).await;
    let tree =
        page.chrome("goog/cdp/execute", json!({ "cmd": "Accessibility.getFullAXTree", "params": {} })).await;
    let mut roles = BTreeSet::new();
    let mut regions = Vec::new();
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
            "radio",
            "slider",
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
        if role == "region" {
            regions.push(name);
        }
        roles.insert(role);
    }
    // The name of the focused region contains the clip, its mood and the certainty.
    let (clip, mood, certainty) =
        (page.text("#clip").await, page.text("#mood").await, page.text("#certainty").await);
    let told = |name: &&String| [&clip, &mood, &certainty].into_iter().all(|part| name.contains(part.trim()));
    assert!(regions.iter().find(told).is_some(), "{regions:?}");
    for role in [
        "main",
        "region",
        "heading",
        "button",
        "link",
        "spinbutton",
        "combobox",
        "radio",
        "slider",
        "status",
        "alert",
        "table",
        "list",
    ] {
        assert!(roles.contains(role), "{role} is not among {roles:?}");
    }
    assert!(roles.contains("image") || roles.contains("img"), "{roles:?}");
    // The names of these buttons state their next action, so they must not have a pressed state as well.
    assert!(
        page.holds(
            "!document.querySelector('#record[aria-pressed], #live[aria-pressed], #play[aria-pressed]')"
        )
        .await
    );
    let languages =
        "return document.documentElement.lang === 'en' && document.querySelectorAll('h1').length === 1";
    assert_eq!(page.client.execute(languages, vec![]).await.unwrap(), json!(true));
}
