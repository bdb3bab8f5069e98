//! What a list request asks for (api.md §9).

/// Page, order and search of a list request, already clamped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListRequest {
    /// From 1. Beyond the last page means the last page.
    pub page: i64,
    /// 1–100.
    pub limit: i64,
    /// The camelCase column and whether descending; unknown columns are ignored by the list.
    pub sort: Option<(String, bool)>,
    /// Substring to look for, without regard to ASCII case.
    pub search: Option<String>,
    /// Values by field: OR within a field, AND between fields.
    pub filters: Vec<(String, Vec<String>)>,
}

impl Default for ListRequest {
    fn default() -> Self {
        Self { page: 1, limit: 20, sort: None, search: None, filters: Vec::new() }
    }
}

impl ListRequest {
    /// Reads `pagination[page]`, `pagination[limit]`, `sort[column]`, `sort[direction]`, `search` and
    /// `filters[..]` from decoded query pairs; `page` and `limit` serve where those are absent. A number that is
    /// none drops the remaining options, as the contract has it, and is never an error.
    pub fn from_query<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut out = Self::default();
        let (mut column, mut descending, mut broken) = (None, false, false);
        let (mut page, mut limit) = ([None; 2], [None; 2]);
        for (name, value) in pairs {
            let mut number = |place: &mut Option<i64>| match value.trim().parse::<i64>() {
                Ok(n) => *place = Some(n),
                Err(_) => broken = true,
            };
            match name {
                "pagination[page]" => number(&mut page[0]),
                "pagination[limit]" => number(&mut limit[0]),
                "page" => number(&mut page[1]),
                "limit" => number(&mut limit[1]),
                "sort[column]" => column = Some(value.to_owned()),
                "sort[direction]" => descending = value.trim().eq_ignore_ascii_case("desc"),
                "search" if !value.is_empty() => out.search = Some(plain(value).take(200).collect()),
                _ => {
                    if let Some(rest) = name.strip_prefix("filters[")
                        && let Some((field, _)) = rest.split_once(']')
                    {
                        let value: String = plain(value.trim()).collect();
                        let known = out.filters.iter().position(|(f, _)| f == field);
                        match known {
                            Some(i) if out.filters[i].1.len() < 100 => out.filters[i].1.push(value),
                            None if out.filters.len() < 20 => out.filters.push((field.to_owned(), vec![value])),
                            _ => {}
                        }
                    }
                }
            }
        }
        out.page = page[0].or(page[1]).unwrap_or(1).max(1);
        out.limit = limit[0].or(limit[1]).filter(|n| *n >= 1).unwrap_or(20).min(100);
        if broken {
            return Self { page: out.page, limit: out.limit, search: out.search, ..Self::default() };
        }
        out.sort = column.map(|c| (c, descending));
        out
    }

    /// The boolean filter of a field: `None` if not filtered or if both values are wanted.
    pub fn bool_filter(&self, field: &str) -> Option<bool> {
        let (_, values) = self.filters.iter().find(|(f, _)| f == field)?;
        let wants = |v: &str| values.iter().any(|x| x == v);
        match (wants("true"), wants("false")) {
            (true, false) => Some(true),
            (false, true) => Some(false),
            _ => None,
        }
    }

    /// The page that exists for a total, and its offset.
    pub fn window(&self, total: i64) -> (i64, i64) {
        let page = self.page.min(Page::<()>::pages(total, self.limit));
        (page, (page - 1) * self.limit)
    }
}

/// Text without NULs, which no stored text has.
fn plain(text: &str) -> impl Iterator<Item = char> {
    text.chars().filter(|c| *c != '\0')
}

/// One page of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// The rows.
    pub items: Vec<T>,
    /// Number of rows on all pages.
    pub total: i64,
    /// This page, from 1.
    pub page: i64,
    /// Rows per page.
    pub limit: i64,
}

impl<T> Page<T> {
    /// Number of pages, at least 1.
    pub fn pages(total: i64, limit: i64) -> i64 {
        ((total + limit - 1) / limit).max(1)
    }

    /// Converts the rows.
    pub fn map<U>(self, f: impl FnMut(T) -> U) -> Page<U> {
        Page { items: self.items.into_iter().map(f).collect(), total: self.total, page: self.page, limit: self.limit }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_097_hostile_numbers_are_clamped() {
        for (page, limit, want) in [
            ("0", "0", (1, 20)),
            ("-1", "-1", (1, 20)),
            ("9223372036854775807", "9223372036854775807", (i64::MAX, 100)),
        ] {
            let r = ListRequest::from_query([("pagination[page]", page), ("pagination[limit]", limit)]);
            assert_eq!((r.page, r.limit), want);
            let (page, offset) = r.window(41);
            assert!((1..=3).contains(&page) && offset <= 41);
        }
    }

    #[test]
    fn the_short_names_serve_where_the_long_ones_are_absent() {
        let read = |pairs: &[(&'static str, &'static str)]| {
            let r = ListRequest::from_query(pairs.iter().copied());
            (r.page, r.limit)
        };
        assert_eq!(read(&[("page", "3"), ("limit", "5")]), (3, 5));
        assert_eq!(read(&[("pagination[page]", "2"), ("page", "3"), ("limit", "500")]), (2, 100));
        assert_eq!(read(&[("page", "3"), ("pagination[page]", "2"), ("pagination[limit]", "7")]), (2, 7));
    }

    #[test]
    fn numbers_that_are_none_drop_the_filters() {
        let r = ListRequest::from_query([("filters[isAdmin]", "true"), ("pagination[page]", "x"), ("search", "a")]);
        assert_eq!(r.filters, []);
        assert_eq!(r.search.as_deref(), Some("a"));
    }

    #[test]
    fn filters_gather_their_values() {
        let r = ListRequest::from_query([
            ("filters[disabled][]", "true"),
            ("filters[disabled][1]", "false"),
            ("filters[isAdmin]", "false"),
        ]);
        assert_eq!(r.bool_filter("disabled"), None);
        assert_eq!(r.bool_filter("isAdmin"), Some(false));
    }
}
