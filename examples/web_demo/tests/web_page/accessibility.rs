//! Tests the page with the rules of axe-core, in every state and theme.
//!
//! axe-core has another licence than this project and is not part of it. The environment variable `AXE` names its `axe.min.js`, or npm has
//! installed it in the folder of the tests.

use serde_json::json;

use crate::answers::{LESS_SURE, change, restore};
use crate::browser::{Browser, Page};
use crate::support::sample;

fn axe() -> Option<String> {
    let installed = "node_modules/axe-core/axe.min.js";
    let path = std::env::var_os("AXE").unwrap_or_else(|| installed.into());
    match std::fs::read_to_string(&path) {
        Ok(script) => Some(script),
        Err(error) => {
            let named = std::env::var_os("AXE").is_some();
            assert!(!named, "AXE: {}: {error}", path.display());
            println!("skipped: there is no axe-core (`npm install axe-core`, or AXE=PATH/axe.min.js)");
            None
        }
    }
}

/// Asserts that the page in its present state breaks no rule.
async fn check(page: &Page, axe: &str, state: &str) {
    page.client.execute(axe, vec![]).await.unwrap();
    // Descriptions take axe longer than checks. With this option it describes all elements that break a rule, but only one for each rule
    // that is met.
    let run = "const done = arguments[0]; \
               axe.run({ resultTypes: ['violations'] }).then(({ violations, passes }) => done({ passes: passes.length, \
               violations: violations.map(({ id, nodes }) => [id, ...nodes.map(({ target, any }) => \
                   `${target.join(' ')}: ${any[0]?.message ?? ''}`)]) }), (error) => done(String(error)))";
    let found = page.client.execute_async(run, vec![]).await.unwrap();
    assert_eq!(found["violations"], json!([]), "{state}");
    assert!(found["passes"].as_u64().is_some_and(|rules| rules > 15), "{state}: {found}");
}

/// Script that gives the answer a hundred stretches.
const MANY: &str = "const moods = ['Calm', 'Happy', 'Sad', 'Energetic', null]; \
    answer.timeline = [...Array(100).keys()].map((n) => ({ ...answer.timeline[1], start: n * answer.audio.seconds / 100, \
        end: (n + 1) * answer.audio.seconds / 100, mood: moods[n % 5], confident: n % 2 === 0 }));";

#[tokio::test]
async fn no_state_breaks_a_rule_of_accessibility_in_any_theme() {
    let Some(axe) = axe() else { return };
    let Some(browser) = Browser::open(&sample().canonicalize().unwrap()).await else { return };
    let page = &browser.page;
    let letter = browser.folder.path().join("letter.wav");
    std::fs::write(&letter, "Dear Sir or Madam").unwrap();
    let themes: [(&str, &[(&str, &str)]); 3] = [
        ("light", &[("prefers-color-scheme", "light")]),
        ("dark", &[("prefers-color-scheme", "dark")]),
        ("forced colours", &[("forced-colors", "active")]),
    ];
    for (name, features) in themes {
        page.media(features).await;
        page.client.execute("localStorage.clear()", vec![]).await.unwrap();
        page.client.refresh().await.unwrap();
        let at = |state: &str| format!("{state}, {name}");
        check(page, &axe, &at("start")).await;

        page.click("#sample").await;
        page.result().await;
        check(page, &axe, &at("answer")).await;

        page.click("#strategy-journey").await;
        page.until("a journey", "return document.querySelectorAll('#journey .stop').length === 5").await;
        page.click("#feedback-moods button").await;
        page.click("#heard summary").await;
        page.until("pictures", "return document.querySelectorAll('#pictures img').length === 3").await;
        page.click("#more summary").await;
        let count = "const count = document.getElementById('count'); count.value = '51'; \
                     count.dispatchEvent(new Event('change', { bubbles: true }))";
        page.client.execute(count, vec![]).await.unwrap();
        page.client.execute("document.querySelector('#songs .hide').click()", vec![]).await.unwrap();
        page.until("the way back", "return !document.getElementById('undo').hidden").await;
        check(page, &axe, &at("all open")).await;

        page.language("de").await;
        check(page, &axe, &at("German")).await;
        page.language("en").await;
        page.narrow(320).await;
        check(page, &axe, &at("all open, 320 pixels")).await;
        page.chrome(
            "goog/cdp/execute",
            json!({ "cmd": "Emulation.clearDeviceMetricsOverride", "params": {} }),
        )
        .await;

        // The card of each mood as a link shows it, and the card of an uncertain mood.
        for mood in ["Calm", "Happy", "Sad", "Energetic"] {
            page.run(&format!("location.hash = 'mood={mood}&strategy=keep'")).await;
            page.until(mood, &format!("return document.getElementById('mood').textContent === '{mood}'"))
                .await;
            page.until(
                "its songs",
                &format!("return document.querySelectorAll('#songs li[data-mood={mood}]').length > 0"),
            )
            .await;
            check(page, &axe, &at(&format!("a link to {mood}"))).await;
        }
        change(page, &format!("{LESS_SURE} {MANY}")).await;
        page.click("#sample").await;
        page.result().await;
        check(page, &axe, &at("not sure, in many stretches")).await;
        restore(page).await;

        page.client
            .execute("document.getElementById('live-now').dataset.readings = '0'", vec![])
            .await
            .unwrap();
        page.click("#live").await;
        page.until("readings", "return Number(document.getElementById('live-now').dataset.readings) >= 6")
            .await;
        page.run("document.querySelector('#live-section details').open = true").await;
        // As many stretches as in a minute with many changes of mood.
        page.run("document.getElementById('live-text').append(...[...Array(30)].map(() => document.querySelector('#live-text li').cloneNode(true)))").await;
        check(page, &axe, &at("live")).await;

        // The permission to use the microphone is never given.
        page.run("const media = navigator.mediaDevices; media.getUserMedia = () => new Promise(() => {})")
            .await;
        page.click("#record").await;
        page.until("a wait", "return document.getElementById('record').dataset.state === 'pending'").await;
        check(page, &axe, &at("waiting for permission")).await;
        page.click("#record").await;
        page.run("delete navigator.mediaDevices.getUserMedia").await;

        page.click("#record").await;
        page.until("recording", "return document.getElementById('record').dataset.state === 'on'").await;
        check(page, &axe, &at("recording")).await;

        page.upload(letter.to_str().unwrap()).await;
        page.until("an error", "return document.getElementById('problem').textContent || null").await;
        check(page, &axe, &at("error")).await;
    }
    browser.close().await;
}
