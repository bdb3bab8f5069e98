//! Finding elements, by CSS selector or by role and accessible name, and acting on them as a person would.

use std::collections::{BTreeMap, HashMap};
use std::{fmt, path::Path};

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};

use super::{Error, page::Page, page::value};

/// How an element is found. A `&str` is a CSS selector; see [`role`] for the other way.
#[derive(Clone, Debug)]
pub enum Locator {
    /// The first visible element that the CSS selector matches, or the first at all.
    Css(String),
    /// The first element with this role and accessible name, as assistive technology sees it.
    Role(String, String),
}

/// An element by its role (`button`, `link`, `textbox`, `checkbox`, `heading`, `dialog`, `alert`, …) and its accessible
/// name: the text of a button or link, the label of a field. White space is folded, letter case matters.
#[must_use]
pub fn role(role: &str, name: &str) -> Locator {
    Locator::Role(role.to_owned(), name.to_owned())
}

impl From<&str> for Locator {
    fn from(selector: &str) -> Self {
        Self::Css(selector.to_owned())
    }
}

impl From<&Locator> for Locator {
    fn from(locator: &Locator) -> Self {
        locator.clone()
    }
}

impl fmt::Display for Locator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Css(selector) => write!(f, "`{selector}`"),
            Self::Role(role, name) => write!(f, "{role} {name:?}"),
        }
    }
}

const VISIBLE: &str = "(e) => e.checkVisibility({ visibilityProperty: true }) && e.getClientRects().length > 0";

/// Where to click, or why not.
const TARGET: &str = "function () {
    if (!this.isConnected) return { why: 'is not in the page any more' };
    if (this.matches(':disabled, [aria-disabled=true]')) return { why: 'is disabled' };
    this.scrollIntoView({ block: 'center', inline: 'center', behavior: 'instant' });
    const r = this.getClientRects()[0];
    if (!r || !r.width || !r.height || !this.checkVisibility({ visibilityProperty: true })) return { why: 'is not visible' };
    const x = r.x + r.width / 2, y = r.y + r.height / 2;
    const root = this.getRootNode();
    const hit = root.elementFromPoint(x, y);
    const same = hit && (this.contains(hit) || hit.closest('label')?.control === this);
    if (!same) return { why: 'is covered by ' + (hit ? hit.cloneNode().outerHTML.slice(0, 200) : 'nothing (outside the window)') };
    return { x, y };
}";

/// Focuses a field and selects what it holds; sets fields that can't be typed into.
const FILL: &str = "function (text) {
    if (!this.isConnected) return { why: 'is not in the page any more' };
    if (!this.checkVisibility({ visibilityProperty: true })) return { why: 'is not visible' };
    if (this.matches(':disabled, [aria-disabled=true]')) return { why: 'is disabled' };
    if (this.readOnly) return { why: 'is read-only' };
    this.focus();
    const changed = () => { for (const e of ['input', 'change']) this.dispatchEvent(new Event(e, { bubbles: true })); };
    if (this instanceof HTMLSelectElement) {
        const option = [...this.options].find(o => o.label.trim() === text || o.value === text);
        if (!option) return { why: 'has no option ' + text + ', only ' + [...this.options].map(o => o.label) };
        this.value = option.value; changed(); return { done: true };
    }
    if (['date', 'time', 'datetime-local', 'month', 'week', 'color', 'range'].includes(this.type)) {
        this.value = text; changed(); return { done: true };
    }
    if (this.select) this.select(); else getSelection().selectAllChildren(this);
    return { done: false };
}";

#[derive(Deserialize)]
struct Outcome {
    why: Option<String>,
    #[serde(default)]
    x: f64,
    #[serde(default)]
    y: f64,
    #[serde(default)]
    done: bool,
}

impl Page {
    /// Clicks the middle of an element with the mouse, as soon as it is there, visible, enabled, at rest and not covered.
    ///
    /// # Errors
    /// When the deadline passes; the error says which of these is missing.
    pub async fn click(&self, locator: impl Into<Locator>) -> Result<(), Error> {
        let locator = locator.into();
        let mut before = (f64::NAN, f64::NAN);
        let (x, y) = self
            .until(&format!("become clickable: {locator}"), async || {
                let at = self.outcome(&locator, TARGET, json!([])).await?;
                let rests = (at.x, at.y) == before;
                before = (at.x, at.y);
                Ok(rests.then_some(before))
            })
            .await?;
        for (kind, buttons) in [("mouseMoved", 0), ("mousePressed", 1), ("mouseReleased", 0)] {
            let button = if kind == "mouseMoved" { "none" } else { "left" };
            let event = json!({ "type": kind, "x": x, "y": y, "button": button, "buttons": buttons, "clickCount": 1 });
            self.call("Input.dispatchMouseEvent", event).await?;
        }
        Ok(())
    }

    /// Replaces what a field holds, as typing would; chooses an option of a `<select>` by its label or value.
    ///
    /// # Errors
    /// When the deadline passes before the field can be changed.
    pub async fn fill(&self, locator: impl Into<Locator>, text: &str) -> Result<(), Error> {
        let locator = locator.into();
        let outcome = self
            .until(&format!("become a field to fill: {locator}"), async || {
                self.outcome(&locator, FILL, json!([{ "value": text }])).await.map(Some)
            })
            .await?;
        if outcome.done {
            Ok(())
        } else if text.is_empty() {
            self.press("Delete").await
        } else {
            self.call("Input.insertText", json!({ "text": text })).await.map(drop)
        }
    }

    /// Puts files from the disk into an `<input type=file>`, also a hidden one.
    ///
    /// # Errors
    /// When there is no such input.
    pub async fn choose_files(&self, locator: impl Into<Locator>, files: &[&Path]) -> Result<(), Error> {
        let locator = locator.into();
        self.until(&format!("take files: {locator}"), async || {
            let Some(object) = self.find(&locator).await? else {
                return Ok(None);
            };
            let params = json!({ "files": files, "objectId": object });
            self.call("DOM.setFileInputFiles", params).await.map(Some)
        })
        .await
        .map(drop)
    }

    /// Gives an element the focus without a click.
    ///
    /// # Errors
    /// When the deadline passes before it is there.
    pub async fn focus(&self, locator: impl Into<Locator>) -> Result<(), Error> {
        self.ask(locator.into(), "function () { this.focus(); }", json!([])).await
    }

    /// Waits until an element is visible.
    ///
    /// # Errors
    /// When the deadline passes.
    pub async fn wait_for(&self, locator: impl Into<Locator>) -> Result<(), Error> {
        let locator = locator.into();
        self.until(&format!("show {locator}"), async || Ok(self.is_visible(&locator).await?.then_some(()))).await
    }

    /// Waits until no such element is visible any more.
    ///
    /// # Errors
    /// When the deadline passes.
    pub async fn wait_gone(&self, locator: impl Into<Locator>) -> Result<(), Error> {
        let locator = locator.into();
        self.until(&format!("lose {locator}"), async || Ok((!self.is_visible(&locator).await?).then_some(()))).await
    }

    /// Whether an element is visible now, without waiting.
    ///
    /// # Errors
    /// When the selector is wrong.
    pub async fn is_visible(&self, locator: impl Into<Locator>) -> Result<bool, Error> {
        let locator = locator.into();
        let found = match (&locator, self.find(&locator).await) {
            // Others of its role are named, to explain; it is not there all the same.
            (Locator::Role(..), Err(_)) => None,
            (_, found) => found?,
        };
        match found {
            Some(object) => {
                let ask = format!("function () {{ return ({VISIBLE})(this); }}");
                self.on(&object, &ask, json!([])).await
            }
            None => Ok(false),
        }
    }

    /// How many elements match a CSS selector now, visible or not.
    ///
    /// # Errors
    /// When the selector is wrong.
    pub async fn count(&self, selector: &str) -> Result<usize, Error> {
        self.eval(&format!("document.querySelectorAll({}).length", json!(selector))).await
    }

    /// The text of an element as it is shown, once it is there.
    ///
    /// # Errors
    /// When the deadline passes.
    pub async fn text(&self, locator: impl Into<Locator>) -> Result<String, Error> {
        self.ask(locator.into(), "function () { return this.innerText; }", json!([])).await
    }

    /// The value of a field, once it is there.
    ///
    /// # Errors
    /// When the deadline passes.
    pub async fn value(&self, locator: impl Into<Locator>) -> Result<String, Error> {
        self.ask(locator.into(), "function () { return this.value; }", json!([])).await
    }

    /// Whether a checkbox, radio button or switch is on, once it is there.
    ///
    /// # Errors
    /// When the deadline passes.
    pub async fn is_checked(&self, locator: impl Into<Locator>) -> Result<bool, Error> {
        let ask = "function () { return this.checked ?? this.getAttribute('aria-checked') === 'true'; }";
        self.ask(locator.into(), ask, json!([])).await
    }

    /// An attribute of an element, once it is there.
    ///
    /// # Errors
    /// When the deadline passes.
    pub async fn attribute(&self, locator: impl Into<Locator>, name: &str) -> Result<Option<String>, Error> {
        let ask = "function (name) { return this.getAttribute(name); }";
        self.ask(locator.into(), ask, json!([{ "value": name }])).await
    }

    /// Role and accessible name of what has the focus, as a screen reader would say it.
    ///
    /// # Errors
    /// When Chromium does not answer.
    pub async fn focused(&self) -> Result<(String, String), Error> {
        let params = json!({ "expression": "document.activeElement" });
        let answer = self.call("Runtime.evaluate", params).await?;
        let params = json!({ "objectId": answer["result"]["objectId"], "fetchRelatives": false });
        let tree = self.call("Accessibility.getPartialAXTree", params).await?;
        Ok(role_and_name(&tree["nodes"][0]))
    }

    /// The states that assistive technology is told of an element: `expanded`, `selected`, `checked`, `disabled`, `description`, ….
    ///
    /// # Errors
    /// When there is no such element, or Chromium does not answer.
    pub async fn states(&self, locator: impl Into<Locator>) -> Result<BTreeMap<String, Value>, Error> {
        let locator = locator.into();
        let Some(object) = self.find(&locator).await? else {
            return Err(Error::new(format!("there is no {locator}")));
        };
        let params = json!({ "objectId": object, "fetchRelatives": false });
        let mut tree = self.call("Accessibility.getPartialAXTree", params).await?;
        let node = tree["nodes"][0].take();
        let mut states = BTreeMap::new();
        for property in node["properties"].as_array().into_iter().flatten() {
            let name = property["name"].as_str().unwrap_or_default();
            states.insert(name.to_owned(), property["value"]["value"].clone());
        }
        states.insert("role".to_owned(), node["role"]["value"].clone());
        states.insert("description".to_owned(), node["description"]["value"].clone());
        Ok(states)
    }

    /// Role and accessible name of everything that assistive technology sees on the page, in reading order.
    ///
    /// # Errors
    /// When Chromium does not answer.
    pub async fn accessibility(&self) -> Result<Vec<(String, String)>, Error> {
        let tree = self.call("Accessibility.getFullAXTree", json!({})).await?;
        let all: HashMap<&str, &Value> = tree["nodes"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|node| Some((node["nodeId"].as_str()?, node)))
            .collect();
        // Chromium tells level by level; it is read branch by branch.
        let mut found = Vec::new();
        let mut to_read: Vec<&Value> = tree["nodes"].as_array().into_iter().flatten().take(1).collect();
        while let Some(node) = to_read.pop() {
            if is_seen(node) {
                found.push(role_and_name(node));
            }
            let children = node["childIds"].as_array().into_iter().flatten().rev();
            to_read.extend(children.filter_map(|id| all.get(id.as_str()?).copied()));
        }
        Ok(found)
    }

    /// The CDP object id of an element, if it is there now.
    async fn find(&self, locator: &Locator) -> Result<Option<String>, Error> {
        let object = match locator {
            Locator::Css(selector) => {
                let expression = format!(
                    "(() => {{ const all = [...document.querySelectorAll({})]; return all.find({VISIBLE}) ?? all[0]; }})()",
                    json!(selector)
                );
                let mut answer = self.call("Runtime.evaluate", json!({ "expression": expression })).await?;
                if answer.get("exceptionDetails").is_some() {
                    value::<Value>(answer, &expression)?;
                    return Ok(None);
                }
                answer["result"].take()
            }
            Locator::Role(role, name) => {
                let document = self.call("Runtime.evaluate", json!({ "expression": "document" })).await?;
                // Chromium's own names differ from ARIA's here and there.
                let query = if role == "img" { "image" } else { role };
                let params = json!({ "objectId": document["result"]["objectId"], "role": query });
                let tree = self.call("Accessibility.queryAXTree", params).await?;
                let Some(node) = seen(&tree).find(|node| role_and_name(node).1 == fold(name)) else {
                    let names: Vec<_> = seen(&tree).map(|node| role_and_name(node).1).collect();
                    return if names.is_empty() {
                        Ok(None)
                    } else {
                        Err(Error::new(format!("of role {role} there are {names:?}")))
                    };
                };
                let params = json!({ "backendNodeId": node["backendDOMNodeId"] });
                self.call("DOM.resolveNode", params).await?["object"].take()
            }
        };
        Ok(object["objectId"].as_str().map(str::to_owned))
    }

    /// Calls a function with an element as `this`.
    async fn on<T: DeserializeOwned>(&self, object: &str, function: &str, arguments: Value) -> Result<T, Error> {
        let params = json!({
            "objectId": object, "functionDeclaration": function, "arguments": arguments,
            "returnByValue": true, "awaitPromise": true, "userGesture": true,
        });
        value(self.call("Runtime.callFunctionOn", params).await?, function)
    }

    async fn ask<T: DeserializeOwned>(&self, locator: Locator, function: &str, arguments: Value) -> Result<T, Error> {
        self.until(&format!("have {locator}"), async || match self.find(&locator).await? {
            Some(object) => self.on(&object, function, arguments.clone()).await.map(Some),
            None => Ok(None),
        })
        .await
    }

    async fn outcome(&self, locator: &Locator, function: &str, arguments: Value) -> Result<Outcome, Error> {
        let Some(object) = self.find(locator).await? else {
            return Err(Error::new("it is not there"));
        };
        let outcome: Outcome = self.on(&object, function, arguments).await?;
        match outcome.why {
            Some(why) => Err(Error::new(format!("it {why}"))),
            None => Ok(outcome),
        }
    }
}

/// The nodes that assistive technology is told of.
fn seen(tree: &Value) -> impl Iterator<Item = &Value> {
    let nodes = tree["nodes"].as_array().into_iter().flatten();
    nodes.filter(|node| is_seen(node))
}

fn is_seen(node: &Value) -> bool {
    node["ignored"] != true && node.get("backendDOMNodeId").is_some()
}

fn role_and_name(node: &Value) -> (String, String) {
    let text = |member: &str| fold(node[member]["value"].as_str().unwrap_or_default());
    (text("role"), text("name"))
}

fn fold(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
