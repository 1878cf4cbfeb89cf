//! A comparison as one page of HTML: search, filter by class, chains drawn.

use serde_json::{Value, json};

use super::details;
use crate::cli::paint::one_line;
use crate::cli::tables::{self, Risk};
use crate::diff::{self, Class, Diff, Environment};
use crate::page::{Page, escape};

pub fn page(diff: &Diff, before: &Environment, after: &Environment) -> String {
    let data = data(diff, before, after);
    let title = format!("{} → {}", one_line(&before.label), one_line(&after.label));
    let body = body(diff, before, after);
    let page = Page {
        title: &title,
        style: include_str!("page.css"),
        body: &body,
        data: &data,
        script: include_str!("page.js"),
    };
    page.render()
}

/// The comparison's own document, with the words for its classes.
fn data(diff: &Diff, before: &Environment, after: &Environment) -> Value {
    let mut document = diff::json::document(diff, before, after);
    let classes = Class::ALL.iter().map(|class| {
        let risk = match tables::risk(*class) {
            Risk::High => "bad",
            Risk::Medium => "fair",
            Risk::Low => "quiet",
        };
        json!({ "word": class.as_str(), "title": tables::title(*class), "risk": risk })
    });
    document["classes"] = classes.collect();
    let rows = diff.changes.iter().map(|change| {
        let row = tables::Row::of(&[change]);
        json!({ "before": row.before, "after": row.after, "notes": row.notes, "details": row.details })
    });
    document["rows"] = rows.collect();
    document
}

/// What stands above the table; the script fills the rest.
fn body(diff: &Diff, before: &Environment, after: &Environment) -> String {
    let side = |environment: &Environment| {
        let target = environment.view.target.as_ref();
        let target = target.or(environment.target.as_ref());
        let mut facts = vec![environment.kind.to_string()];
        facts.extend(target.map(ToString::to_string));
        let omit = environment.view.omit.words();
        if !omit.is_empty() {
            facts.push(format!("without {}", omit.join(", ")));
        }
        format!(
            "<code>{}</code> <span class=\"quiet\">{}</span>",
            escape(&one_line(&environment.label)),
            escape(&facts.join(", "))
        )
    };
    let mut notes: Vec<String> = details::ignored(diff);
    notes.extend(details::not_compared(diff, (before, after)));
    let paragraph = |note: &String| format!("<p class=\"quiet\">{}</p>\n", escape(note));
    let notes = notes.iter().map(paragraph).collect::<Vec<_>>().concat();
    format!(
        "<h1>{}</h1>\n<p>{} → {}</p>\n{notes}\
         <div id=\"classes\" class=\"filters\" role=\"group\" aria-label=\"classes\"></div>\n\
         <div class=\"filters\"><input type=\"search\" id=\"search\" placeholder=\"package, version, \
         who brings it\" aria-label=\"search\"> <span id=\"shown\" class=\"quiet\" role=\"status\"></span></div>\n\
         <div id=\"changes\"></div>\n<noscript>This page needs JavaScript, its own only.</noscript>",
        escape(&details::heading(diff)),
        side(before),
        side(after)
    )
}
