//! Tests of quick actions on the list of songs, and of the texts in its rows.

use serde_json::{Value, json};

use crate::answers::{held, hold, release, restore};
use crate::browser::Browser;
use crate::support::sample;

#[tokio::test]
async fn undo_brings_back_the_song_that_it_names_and_the_focus_stays_where_it_is_put() {
    let Some(browser) = Browser::open(&sample().canonicalize().unwrap()).await else { return };
    let page = &browser.page;
    page.click("#sample").await;
    page.result().await;
    // After the first song is hidden, the new list may begin with another song than the second one.
    let first = async || {
        let title = page.run("return document.querySelector('#songs li a').firstChild.textContent").await;
        title.as_str().unwrap().to_owned()
    };
    let told = |title: &str| {
        format!(
            "return document.getElementById('undo-text').textContent === {}",
            json!(format!("“{title}” is hidden."))
        )
    };
    let gone = first().await;
    page.click("#songs li:nth-child(1) .hide").await;
    page.until("the first song's end", &told(&gone)).await;
    let hidden = first().await;
    // While the second song is being hidden, undo of the first is not offered.
    hold(page, "/api/recommend", false).await;
    page.click("#songs li:nth-child(1) .hide").await;
    held(page, 1).await;
    assert!(page.holds("document.getElementById('undo').hidden").await);
    release(page).await;
    page.until("the second song's end", &told(&hidden)).await;
    page.until("the way back", "return document.activeElement.id === 'undo-button'").await;
    page.click("#undo-button").await;
    held(page, 1).await;
    release(page).await;
    let back =
        "return [...document.querySelectorAll('#songs li a')].map((link) => link.firstChild.textContent)";
    page.until("its return", "return document.getElementById('undo').hidden").await;
    let titles = page.run(back).await;
    let titles = titles.as_array().unwrap();
    assert!(titles.contains(&json!(hidden)) && !titles.contains(&json!(gone)), "{titles:?}");

    // A list that arrives late does not move the focus.
    for press in [".like", ".hide"] {
        page.click(&format!("#songs li:nth-child(1) {press}")).await;
        held(page, 1).await;
        page.run("document.getElementById('copy').focus()").await;
        release(page).await;
        assert!(page.holds("document.activeElement.id === 'copy'").await, "{press}");
    }
    // If the focus is in a row, it stays with the row's song.
    let key = page.run("return document.querySelector('#songs li:nth-child(2)').dataset.key").await;
    page.click("#songs li:nth-child(2) .like").await;
    held(page, 1).await;
    release(page).await;
    let stays = format!(
        "document.activeElement.matches('.like[aria-pressed=true]') && document.activeElement.closest('li').dataset.key === {key}"
    );
    assert!(page.holds(&stays).await, "{}", page.run("return document.activeElement.outerHTML").await);

    // When all hidden songs are shown again, undo of the last one is no longer offered.
    restore(page).await;
    page.run("document.getElementById('more').open = true").await;
    page.click("#songs li:last-child .hide").await;
    page.until("the way back", "return !document.getElementById('undo').hidden").await;
    page.click("#unhide").await;
    assert!(
        page.holds("document.getElementById('undo').hidden && document.getElementById('unhide').hidden")
            .await
    );
    assert!(page.holds("document.activeElement.id === 'songs-status'").await);
    assert_eq!(page.run("return localStorage.getItem('voice-mood-music.hidden')").await, json!("[]"));
    // Deleting the likes shows a message. Without likes, the button is hidden.
    page.click("#forget").await;
    assert_eq!(page.text("#preferences-status").await, "Your likes are deleted.");
    assert!(
        page.holds(
            "document.getElementById('forget').hidden && document.activeElement.id === 'preferences-status'"
        )
        .await
    );
    page.until("no like", "return document.querySelector('.like[aria-pressed=true]') === null").await;
    browser.close().await;
}

#[tokio::test]
async fn every_row_says_its_mood_and_why_in_plain_words() {
    let folder = tempfile::TempDir::new().unwrap();
    let catalog = folder.path().join("songs.csv");
    // The moods of some songs are estimated, and the features of one song are unknown.
    let songs = "name,artist,valence,energy,danceability,acousticness,instrumentalness,liveness,loudness,speechiness,tempo,popularity,mood\n\
                 Known,A,0.3,0.2,0.5,0.8,0.1,0.1,-10,0.05,90,60,Calm\n\
                 Guessed,B,0.9,0.8,0.7,0.1,0,0.1,-5,0.05,125,70,\n\
                 Guessed too,C,0.35,0.2,0.4,0.9,0.5,0.1,-14,0.04,80,40,\n\
                 Silent,D,,,,,,,,,,50,Calm\n\
                 Bright,E,0.95,0.7,0.8,0.1,0,0.1,-5,0.05,120,80,Happy\n";
    std::fs::write(&catalog, songs).unwrap();
    let microphone = sample().canonicalize().unwrap();
    let options = ["--catalog", catalog.to_str().unwrap()];
    let Some(browser) = Browser::open_with(&microphone, &options).await else { return };
    let page = &browser.page;
    let rows = async || -> Vec<Value> {
        let rows = "return [...document.querySelectorAll('#songs li')].map((row) => \
                    [row.dataset.mood, row.querySelector('.badge').textContent, row.querySelector('.reason').textContent, row.querySelector('.reason').title])";
        page.run(rows).await.as_array().unwrap().clone()
    };
    let mut full = String::new();
    page.click("#sample").await;
    page.result().await;
    for (strategy, name) in [("keep", "Keep my mood"), ("balance", "Balance me"), ("cheer-up", "Cheer me up")]
    {
        page.click(&format!("#strategy-{strategy}")).await;
        let told = format!("return document.getElementById('songs-status').textContent.includes('{name}')");
        page.until("its songs", &told).await;
        for row in rows().await {
            let [mood, badge, reason, title] = [0, 1, 2, 3].map(|n| row[n].as_str().unwrap());
            assert_eq!(mood, badge, "a mood is more than a colour");
            for word in ["unknown", "estimated", "("] {
                assert!(!reason.contains(word), "{reason}");
            }
            assert!(!reason.is_empty());
            full += title;
        }
    }
    // The title of the row has the full reason.
    assert!(full.contains("unknown") && full.contains("mood estimated") && full.contains('('), "{full}");
    browser.close().await;
}
