//! Pages of HTML that need nothing else: no fonts, scripts or pictures from anywhere.

use serde_json::Value;

/// What is common to all pages: colours for light and dark, tables, filters.
const STYLE: &str = include_str!("page.css");

/// The parts of a page. `body` is HTML; everything in it that comes from a package went through
/// [`escape`].
#[derive(Debug, Clone, Copy)]
pub struct Page<'a> {
    /// Plain text.
    pub title: &'a str,
    /// CSS on top of the common one.
    pub style: &'a str,
    pub body: &'a str,
    /// What the script finds as `data`.
    pub data: &'a Value,
    /// `JavaScript`; it sets texts with `textContent`, never as HTML.
    pub script: &'a str,
}

impl Page<'_> {
    pub fn render(&self) -> String {
        format!(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; \
             style-src 'unsafe-inline'; script-src 'unsafe-inline'\">\n\
             <title>{title}</title>\n<style>\n{STYLE}{style}</style>\n</head>\n<body>\n{body}\n\
             <script type=\"application/json\" id=\"data\">{data}</script>\n\
             <script>\nconst data = JSON.parse(document.getElementById(\"data\").textContent);\n\
             {script}</script>\n</body>\n</html>\n",
            title = escape(self.title),
            style = self.style,
            body = self.body,
            data = embedded(self.data),
            script = self.script,
        )
    }
}

/// Text as it may stand between tags and in quoted attributes.
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}

/// JSON that no parser of HTML takes for the end of its element.
fn embedded(data: &Value) -> String {
    data.to_string().replace('<', "\\u003c")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn no_text_leaves_its_place() {
        let hostile = "</script><script>alert('1')</script><!-- \" &";
        let data = json!({ "name": hostile });
        let page = Page {
            title: hostile,
            style: "",
            body: &escape(hostile),
            data: &data,
            script: "",
        }
        .render();
        assert_eq!(page.matches("</script>").count(), 2);
        assert!(!page.contains("<script>alert"));
        let start = page.find("id=\"data\">").unwrap() + 10;
        let end = start + page[start..].find("</script>").unwrap();
        assert_eq!(
            serde_json::from_str::<Value>(&page[start..end]).unwrap(),
            data
        );
    }
}
