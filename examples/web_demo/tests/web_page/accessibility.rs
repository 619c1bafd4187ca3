//! axe-core's rules, in every state of the page and every theme.
//!
//! axe-core is under another licence than this project and no part of it: `AXE` names its `axe.min.js`, or npm has put it beside the
//! tests.

use fantoccini::Locator;
use serde_json::{Value, json};

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

/// No rule is broken on the page as it is now.
async fn check(page: &Page, axe: &str, state: &str) {
    page.client.execute(axe, vec![]).await.unwrap();
    let run = "const done = arguments[0]; axe.run().then(({ violations, passes }) => done({ passes: passes.length, \
               violations: violations.map(({ id, nodes }) => [id, ...nodes.map(({ target, any }) => \
                   `${target.join(' ')}: ${any[0]?.message ?? ''}`)]) }), (error) => done(String(error)))";
    let found = page.client.execute_async(run, vec![]).await.unwrap();
    assert_eq!(found["violations"], json!([]), "{state}");
    assert!(found["passes"].as_u64().is_some_and(|rules| rules > 15), "{state}: {found}");
}

async fn theme(page: &Page, features: &[(&str, &str)]) {
    let features: Vec<Value> =
        features.iter().map(|(name, value)| json!({ "name": name, "value": value })).collect();
    let media = json!({ "cmd": "Emulation.setEmulatedMedia", "params": { "features": features } });
    page.chrome("goog/cdp/execute", media).await;
}

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
        theme(page, features).await;
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

        page.client.find(Locator::Css("#language")).await.unwrap().select_by_value("de").await.unwrap();
        check(page, &axe, &at("German")).await;
        page.client.find(Locator::Css("#language")).await.unwrap().select_by_value("en").await.unwrap();

        page.client
            .execute("document.getElementById('live-now').dataset.readings = '0'", vec![])
            .await
            .unwrap();
        page.click("#live").await;
        page.until("readings", "return Number(document.getElementById('live-now').dataset.readings) >= 6")
            .await;
        check(page, &axe, &at("live")).await;

        page.click("#record").await;
        page.until("recording", "return document.getElementById('record').dataset.state === 'on'").await;
        check(page, &axe, &at("recording")).await;

        page.upload(letter.to_str().unwrap()).await;
        page.until("an error", "return document.getElementById('problem').textContent || null").await;
        check(page, &axe, &at("error")).await;
    }
    browser.close().await;
}
