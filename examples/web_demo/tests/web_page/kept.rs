//! Tests of stored data: after a reload, with several tabs, and with full storage.

use serde_json::{Value, json};

use crate::browser::{Browser, Page};
use crate::support::sample;

async fn keys(page: &Page, name: &str) -> Vec<Value> {
    let kept =
        page.run(&format!("return JSON.parse(localStorage.getItem('voice-mood-music.{name}')) ?? []")).await;
    kept.as_array().unwrap().iter().map(|pair| pair[0].clone()).collect()
}

async fn liked(page: &Page, n: usize) {
    page.click(&format!("#songs li:nth-child({n}) .like")).await;
}

fn pressed(count: usize) -> String {
    format!("return document.querySelectorAll('.like[aria-pressed=true]').length === {count}")
}

#[tokio::test]
async fn preferences_hidden_songs_and_language_survive_a_reload_and_a_language_leaves_preferences_alone() {
    let Some(browser) = Browser::open(&sample().canonicalize().unwrap()).await else { return };
    let page = &browser.page;
    page.click("#sample").await;
    let shown = page.result().await;
    let first = &shown["songs"][0][0];
    page.click("#songs li:first-child .hide").await;
    page.until("the way back", "return !document.getElementById('undo').hidden").await;
    page.click("#more summary").await;
    let set = |id: &str, value: &str| {
        format!(
            "const field = document.getElementById('{id}'); field.value = '{value}'; field.dispatchEvent(new Event('change', {{ bubbles: true }}))"
        )
    };
    // Another tab has changed a preference meanwhile: it stays.
    let preferences = "localStorage['voice-mood-music.preferences']";
    page.run(&format!(
        "{preferences} = JSON.stringify({{ strategy: 'balance', target: 'Calm', filters: {{}} }})"
    ))
    .await;
    page.run(&set("count", "3")).await;
    let stored = format!(
        "(({{ target, filters }}) => target === 'Calm' && filters.count === 3)(JSON.parse({preferences}))"
    );
    assert!(page.holds(&stored).await);
    page.until("three songs", "return document.querySelectorAll('#songs li').length === 3").await;

    // An invalid value and its error stay when the language changes.
    page.run(&set("popularity", "101")).await;
    assert_eq!(page.text("#popularity-problem").await, "Enter a number from 0 to 100.");
    page.language("de").await;
    assert_eq!(page.text("#popularity-problem").await, "Gib eine Zahl von 0 bis 100 ein.");
    assert!(page.holds("document.getElementById('popularity').value === '101' && document.getElementById('popularity').getAttribute('aria-invalid') === 'true'").await);
    assert_eq!(page.text("label[for=popularity]").await, "Beliebtheit ab (0 bis 100)");
    assert!(page.holds("document.getElementById('popularity').placeholder === 'egal'").await);

    page.client.refresh().await.unwrap();
    assert_eq!(page.text("#record-text").await, "Aufnehmen");
    page.click("#sample").await;
    let again = page.result().await;
    let songs = again["songs"].as_array().unwrap();
    assert!(songs.len() == 3 && songs.iter().all(|song| song[0] != *first), "{songs:?}");
    assert!(
        page.holds(
            "document.getElementById('count').value === '3' && !document.getElementById('unhide').hidden"
        )
        .await
    );

    // A saved playlist is in the chosen language too.
    page.click("#downloads button:nth-child(2)").await;
    let saved = browser.downloaded("songs.xspf").await;
    assert!(saved.contains("Lieder für deine Stimmung") && !saved.contains("<annotation>"), "{saved}");
    browser.close().await;
}

#[tokio::test]
async fn two_tabs_add_to_each_others_likes() {
    let Some(browser) = Browser::open(&sample().canonicalize().unwrap()).await else { return };
    let page = &browser.page;
    page.click("#sample").await;
    page.result().await;
    let address = page.client.current_url().await.unwrap();
    page.client.new_window(true).await.unwrap();
    let tabs = page.client.windows().await.unwrap();
    let to = |n: usize| page.client.switch_to_window(tabs[n].clone());
    to(1).await.unwrap();
    page.client.goto(address.as_str()).await.unwrap();
    page.click("#sample").await;
    page.result().await;
    liked(page, 2).await;
    page.until("a like", &pressed(1)).await;
    let other = keys(page, "liked").await;

    // The first tab shows the like of the second and adds its own.
    to(0).await.unwrap();
    page.until("the other tab's like", &pressed(1)).await;
    page.click("#songs .like[aria-pressed=false]").await;
    page.until("both likes", &pressed(2)).await;
    let both = keys(page, "liked").await;
    assert!(both.len() == 2 && both.contains(&other[0]), "{both:?}");
    // A like does not change the strategy that another tab has stored.
    to(1).await.unwrap();
    page.click("#strategy-keep").await;
    to(0).await.unwrap();
    page.click("#songs .like[aria-pressed=false]").await;
    page.until("three likes", &pressed(3)).await;
    let strategy =
        "return JSON.parse(localStorage.getItem('voice-mood-music.preferences')).strategy === 'keep'";
    page.until("the other tab's strategy", strategy).await;
    browser.close().await;
}

#[tokio::test]
async fn a_full_store_and_too_many_likes_lose_nothing_unsaid() {
    let Some(browser) = Browser::open(&sample().canonicalize().unwrap()).await else { return };
    let page = &browser.page;
    // The number of likes is at its limit. The next like removes the oldest, and a message says so.
    let many = "localStorage.setItem('voice-mood-music.liked', JSON.stringify([...Array(300).keys()].map((n) => [`key ${n}`, `Title ${n}`])))";
    page.run(many).await;
    page.client.refresh().await.unwrap();
    page.click("#sample").await;
    page.result().await;
    liked(page, 1).await;
    assert_eq!(
        page.text("#preferences-status").await,
        "There is no room for more liked and hidden songs. No longer kept: Title 0."
    );
    page.until("a like", &pressed(1)).await;
    let kept = keys(page, "liked").await;
    assert!(kept.len() == 300 && kept[0] == json!("key 1"), "{} {}", kept.len(), kept[0]);
    page.run("document.getElementById('more').open = true").await;
    page.click("#forget").await;
    page.until("no like", &pressed(0)).await;

    page.click("#feedback-moods button").await;
    // Names that a spreadsheet would run are marked as in the playlists.
    let script = "const done = arguments[0]; import('/feedback.js').then((module) => { \
         const key = 'voice-mood-music.answers'; const all = JSON.parse(localStorage[key]); \
         const cell = (clip) => { localStorage[key] = JSON.stringify([{ ...all[0], clip }]); \
             return module.csv().split('\\r\\n')[1].split(',')[1]; }; \
         const cells = ['=1.wav', \"'=1.wav\", '＝1.wav', '-7', '-x', \"'x\"].map(cell); \
         localStorage[key] = JSON.stringify(all); done([module.csv().startsWith('\\ufeff'), ...cells]); })";
    let marked = page.client.execute_async(script, vec![]).await.unwrap();
    assert_eq!(marked, json!([true, "'=1.wav", "''=1.wav", "'＝1.wav", "-7", "'-x", "'x"]));

    // If the storage is full, newer values still take effect.
    page.run("Storage.prototype.setItem = () => { throw new DOMException('', 'QuotaExceededError'); }").await;
    page.click("#sample").await;
    page.until(
        "another answer to judge",
        "return document.querySelector('#feedback-moods [aria-pressed=true]') === null",
    )
    .await;
    page.result().await;
    page.click("#feedback-moods button").await;
    liked(page, 1).await;
    page.until("a like", &pressed(1)).await;
    page.click("#songs .like[aria-pressed=false]").await;
    page.until("both likes", &pressed(2)).await;
    let csv = "const done = arguments[0]; import('/feedback.js').then((module) => done(module.csv()))";
    let csv = page.client.execute_async(csv, vec![]).await.unwrap();
    assert_eq!(csv.as_str().unwrap().lines().count(), 3, "{csv}");

    // After the answers are deleted, no mood is pressed, and the songs suit the recognised mood again.
    page.click("#feedback-clear").await;
    assert!(page.holds("document.querySelector('#feedback-moods [aria-pressed=true]') === null").await);
    let csv = "const done = arguments[0]; import('/feedback.js').then((module) => done([module.isJudged(), module.csv().trim().split('\\n').length]))";
    assert_eq!(page.client.execute_async(csv, vec![]).await.unwrap(), json!([false, 1]));
    let mood = page.text("#mood").await.to_lowercase();
    page.until(
        "songs for what was heard",
        &format!("return document.getElementById('songs-status').textContent.includes('“{mood}”')"),
    )
    .await;
    browser.close().await;
}
