//! The matrix as one page: filters, and the proofs of each package.

use crate::page::{Page, escape};
use crate::platforms::json::{self, About};
use crate::platforms::{Report, Verdict};

use super::super::paint::{count, packages};
use super::words;

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

pub fn page(report: &Report, about: About<'_>) -> String {
    let mut data = json::document(report, about);
    data["words"] = Verdict::ALL
        .into_iter()
        .map(|verdict| {
            let word = serde_json::json!({
                "word": verdict.as_str(),
                "symbol": words::symbol(verdict),
                "title": words::title(verdict),
            });
            (verdict.as_str().to_owned(), word)
        })
        .collect::<serde_json::Map<_, _>>()
        .into();
    data["labels"] = report
        .aims
        .iter()
        .map(words::aim)
        .collect::<Vec<_>>()
        .into();
    let title = format!("Platforms of {}", about.lock);
    Page {
        title: &title,
        style: STYLE,
        body: &body(report, about),
        data: &data,
        script: SCRIPT,
    }
    .render()
}

fn body(report: &Report, about: About<'_>) -> String {
    let (bound, all) = (count(report.rows.len()), packages(report.packages));
    let how = if about.opened {
        "lock and tarballs"
    } else {
        "the lock alone"
    };
    format!(
        "<h1>Will it run there?</h1>\n\
         <p class=\"quiet\"><code>{lock}</code>: {bound} of {all} are bound to a platform, told from {how}.</p>\n\
         <table id=\"summary\"></table>\n\
         <div class=\"filters\">\n\
         <input id=\"text\" type=\"search\" placeholder=\"Filter by name or proof\" aria-label=\"Filter by name or proof\">\n\
         <select id=\"verdict\" aria-label=\"Verdict\"></select>\n\
         <select id=\"target\" aria-label=\"Target\"></select>\n\
         <span id=\"count\" class=\"quiet\" role=\"status\"></span>\n\
         </div>\n\
         <table id=\"matrix\"><thead></thead><tbody></tbody></table>\n\
         <p id=\"legend\" class=\"quiet\"></p>\n\
         <div id=\"findings\"></div>",
        lock = escape(about.lock),
    )
}
