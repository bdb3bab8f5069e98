//! A list with search, filters, order and pages, all kept in the address:
//! `?search=…&filters[event]=…&sort=name&dir=desc&page=2&limit=50`.

use pid_core::list::{ListRequest, Page};
use url::form_urlencoded;

use crate::pages::PageRequest;

/// How a list is shown.
#[derive(Clone, Debug, Default)]
pub struct ListView {
    path: String,
    /// What is searched for, may be empty.
    pub search: String,
    filters: Vec<(String, Vec<String>)>,
    sort: String,
    descending: bool,
    /// Rows per page.
    pub limit: i64,
    /// This page, from 1.
    pub page: i64,
    /// Number of pages.
    pub pages: i64,
    /// Number of rows on all pages.
    pub total: i64,
}

/// The sizes that a page may have.
pub const SIZES: [i64; 3] = [20, 50, 100];

impl ListView {
    /// What the address asks for.
    #[must_use]
    pub fn request(request: &PageRequest) -> ListRequest {
        let pairs: Vec<(String, String)> = form_urlencoded::parse(request.query.as_bytes()).into_owned().collect();
        ListRequest::from_query(pairs.iter().map(|(name, value)| {
            let name = match name.as_str() {
                "sort" => "sort[column]",
                "dir" => "sort[direction]",
                name => name,
            };
            (name, value.as_str())
        }))
    }

    /// The frame around a page of rows.
    #[must_use]
    pub fn new<T>(path: &str, request: &ListRequest, page: &Page<T>) -> Self {
        let (sort, descending) = request.sort.clone().unwrap_or_default();
        Self {
            path: path.to_owned(),
            search: request.search.clone().unwrap_or_default(),
            filters: request.filters.clone(),
            sort,
            descending,
            limit: page.limit,
            page: page.page,
            pages: Page::<T>::pages(page.total, page.limit),
            total: page.total,
        }
    }

    fn href(&self, sort: &str, descending: bool, page: i64, limit: i64) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        if !self.search.is_empty() {
            query.append_pair("search", &self.search);
        }
        for (field, values) in &self.filters {
            for value in values {
                query.append_pair(&format!("filters[{field}]"), value);
            }
        }
        if !sort.is_empty() {
            query.append_pair("sort", sort).append_pair("dir", if descending { "desc" } else { "asc" });
        }
        if limit != SIZES[0] {
            query.append_pair("limit", &limit.to_string());
        }
        if page > 1 {
            query.append_pair("page", &page.to_string());
        }
        let query = query.finish();
        if query.is_empty() { self.path.clone() } else { format!("{}?{query}", self.path) }
    }

    /// What a field is narrowed to, or nothing.
    #[must_use]
    pub fn filter(&self, field: &str) -> &str {
        let found = self.filters.iter().find(|(name, _)| name == field);
        found.and_then(|(_, values)| values.first()).map_or("", String::as_str)
    }

    /// The link of a column's head: ascending first, then the other way.
    #[must_use]
    pub fn sort_href(&self, column: &str) -> String {
        self.href(column, self.sort == column && !self.descending, 1, self.limit)
    }

    /// The value of `aria-sort` of a column's head.
    #[must_use]
    pub fn aria_sort(&self, column: &str) -> &'static str {
        match (self.sort == column, self.descending) {
            (false, _) => "none",
            (true, false) => "ascending",
            (true, true) => "descending",
        }
    }

    /// The link to another page.
    #[must_use]
    pub fn page_href(&self, page: &i64) -> String {
        self.href(&self.sort, self.descending, *page, self.limit)
    }

    /// The link to the page before.
    #[must_use]
    pub fn previous(&self) -> String {
        self.page_href(&(self.page - 1))
    }

    /// The link to the page after.
    #[must_use]
    pub fn next(&self) -> String {
        self.page_href(&(self.page + 1))
    }

    /// The sizes with their links.
    #[must_use]
    pub fn sizes(&self) -> Vec<(i64, String)> {
        SIZES.iter().map(|size| (*size, self.href(&self.sort, self.descending, 1, *size))).collect()
    }

    /// Up to five page numbers around this one.
    #[must_use]
    pub fn numbers(&self) -> Vec<i64> {
        let first = (self.page - 2).min(self.pages - 4).max(1);
        (first..=(first + 4).min(self.pages)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_keep_what_was_asked_for() {
        let mut request =
            ListRequest { search: Some("a b".into()), sort: Some(("name".into(), false)), ..Default::default() };
        let page = Page { items: vec![(); 20], total: 200, page: 9, limit: 20 };
        let view = ListView::new("/x", &request, &page);
        assert_eq!(view.sort_href("name"), "/x?search=a+b&sort=name&dir=desc");
        assert_eq!(view.sort_href("other"), "/x?search=a+b&sort=other&dir=asc");
        assert_eq!(view.page_href(&2), "/x?search=a+b&sort=name&dir=asc&page=2");
        assert_eq!((view.aria_sort("name"), view.aria_sort("other")), ("ascending", "none"));
        assert_eq!(view.numbers(), [6, 7, 8, 9, 10]);
        assert_eq!(view.sizes()[1].1, "/x?search=a+b&sort=name&dir=asc&limit=50");

        request.filters = vec![("event".into(), vec!["SIGN_IN".into()])];
        let view = ListView::new("/x", &request, &page);
        assert_eq!(view.page_href(&1), "/x?search=a+b&filters%5Bevent%5D=SIGN_IN&sort=name&dir=asc");
        assert_eq!((view.filter("event"), view.filter("userID")), ("SIGN_IN", ""));
    }
}
