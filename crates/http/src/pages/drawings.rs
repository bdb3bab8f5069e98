//! Drawings for where there is nothing yet: cards and pockets as in the mark, in the colours of the page.

use crate::i18n::Html;

/// A drawing for an empty list, by the sign of what it would hold. Decorative: the text beside it says the same.
#[must_use]
pub fn drawing(sign: &str) -> Html {
    let shape = match sign {
        "users" => PEOPLE,
        "apps" | "clients" => APPS,
        "key" | "api" | "lock" => KEYS,
        "mail" => LETTER,
        "search" => SEARCH,
        _ => LOG,
    };
    Html::trusted(format!(
        "<svg class='drawing' viewBox='0 0 160 112' width='160' height='112' aria-hidden='true'><ellipse class='d-ground' cx='80' cy='101' rx='60' ry='6'/>{shape}</svg>"
    ))
}

const PEOPLE: &str = "<g transform='rotate(-9 56 60)'><rect class='d-tint' x='28' y='24' width='56' height='70' rx='11'/><circle class='d-ink' cx='56' cy='49' r='10'/><path class='d-ink' d='M38 80c2-11 9-16 18-16s16 5 18 16'/></g>\
<g transform='rotate(8 104 60)'><rect class='d-paper' x='76' y='22' width='56' height='70' rx='11'/><circle class='d-dash' cx='104' cy='47' r='10'/><path class='d-dash' d='M86 78c2-11 9-16 18-16s16 5 18 16'/></g>";
const APPS: &str = "<rect class='d-paper' x='26' y='16' width='108' height='78' rx='12'/><path class='d-line' d='M26 34h108M36 25h.1M44 25h.1M52 25h.1'/>\
<rect class='d-fill' x='40' y='44' width='22' height='18' rx='5'/><rect class='d-tint' x='69' y='44' width='22' height='18' rx='5'/><rect class='d-tint' x='98' y='44' width='22' height='18' rx='5'/>\
<rect class='d-tint' x='40' y='69' width='22' height='18' rx='5'/><rect class='d-dash' x='69' y='69' width='22' height='18' rx='5'/><path class='d-ink' d='M80 74v8M76 78h8'/>";
const KEYS: &str = "<g transform='rotate(-14 74 40)'><circle class='d-ink' cx='58' cy='38' r='15'/><circle class='d-fill' cx='58' cy='38' r='5'/><path class='d-ink' d='M73 38h40v11M101 38v8'/></g>\
<path class='d-tint' d='M34 58h18c5 0 8 2 10 6 8 15 28 15 36 0 2-4 5-6 10-6h18c5 0 8 3 8 8v10c0 12-9 18-18 18H44c-9 0-18-6-18-18V66c0-5 3-8 8-8z'/><path class='d-stitch' d='M36 66h14c4 0 7 2 9 5 10 15 32 15 42 0 2-3 5-5 9-5h14'/>";
const LETTER: &str = "<rect class='d-paper' x='30' y='28' width='100' height='66' rx='12'/><path class='d-ink' d='m34 36 39 28a12 12 0 0 0 14 0l39-28'/><path class='d-line' d='m34 88 30-26M126 88 96 62'/><circle class='d-fill' cx='126' cy='30' r='9'/>";
const SEARCH: &str = "<rect class='d-tint' x='34' y='20' width='72' height='74' rx='11'/><path class='d-line' d='M46 38h48M46 52h48M46 66h30'/><circle class='d-paper' cx='98' cy='62' r='22'/><circle class='d-ink' cx='98' cy='62' r='22'/><path class='d-ink' d='m114 78 16 16M90 62h16'/>";
const LOG: &str = "<path class='d-paper' d='M46 14h50l18 18v54a8 8 0 0 1-8 8H46a8 8 0 0 1-8-8V22a8 8 0 0 1 8-8z'/><path class='d-line' d='M96 14v18h18M52 44h38M52 58h48M52 72h26'/><circle class='d-tint' cx='112' cy='78' r='19'/><path class='d-ink' d='M112 67v11l8 5'/>";
