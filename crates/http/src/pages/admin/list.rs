//! A list with search, filters, order and pages, all kept in the address:
//! `?search=…&filters[event]=…&sort=name&dir=desc&page=2&limit=50`.

use pid_core::list::{ListRequest, Page};
use url::form_urlencoded;

use crate::pages::PageRequest;

/// A table: what every look at it has in common (ui.md §1.6).
#[derive(Debug)]
pub struct Table {
    /// Its name, under which browsers remember its columns.
    pub id: &'static str,
    /// The page that it is on.
    pub path: &'static str,
    /// Its columns after the first, which is always shown.
    pub columns: &'static [Column],
    /// What it can be narrowed to.
    pub facets: &'static [Facet],
}

/// A column that can be taken away.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// Its name, that of the API's field if rows can be ordered by it.
    pub name: &'static str,
    /// The word above it.
    pub label: &'static str,
    sorts: bool,
    shown: bool,
}

impl Column {
    /// A column that is shown unless somebody took it away.
    #[must_use]
    pub const fn new(name: &'static str, label: &'static str) -> Self {
        Self { name, label, sorts: false, shown: true }
    }

    /// Whether rows can be ordered by it.
    #[must_use]
    pub const fn sorts(&self) -> bool {
        self.sorts
    }

    /// Rows can be ordered by it.
    #[must_use]
    pub const fn sorted(self) -> Self {
        Self { sorts: true, ..self }
    }

    /// It is shown only if somebody asks for it.
    #[must_use]
    pub const fn hidden(self) -> Self {
        Self { shown: false, ..self }
    }
}

/// A column whose values can be chosen: the list shows the rows that have one of them.
#[derive(Clone, Copy, Debug)]
pub struct Facet {
    /// The name of the filter in the API.
    pub field: &'static str,
    /// Its name in the page's test ids.
    pub slug: &'static str,
    /// The word for it.
    pub label: &'static str,
    /// Values and their words.
    pub options: &'static [(&'static str, &'static str)],
}

/// The cookie by which a browser remembers the columns of a table: their names with points between.
#[must_use]
pub fn columns_cookie(table: &str) -> String {
    format!("columns-{table}")
}

/// How a list is shown.
#[derive(Clone, Debug, Default)]
pub struct ListView {
    path: String,
    table: &'static str,
    columns: Vec<(Column, bool)>,
    facets: &'static [Facet],
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
            table: "",
            columns: Vec::new(),
            facets: &[],
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

    /// The frame around a page of a table's rows, with the columns that this browser shows.
    #[must_use]
    pub fn of<T>(table: &'static Table, asked: &PageRequest, request: &ListRequest, page: &Page<T>) -> Self {
        let chosen = asked.cookie(&columns_cookie(table.id));
        let is_shown = |column: &Column| match &chosen {
            Some(names) => names.split('.').any(|name| name == column.name),
            None => column.shown,
        };
        Self {
            table: table.id,
            columns: table.columns.iter().map(|column| (*column, is_shown(column))).collect(),
            facets: table.facets,
            ..Self::new(table.path, request, page)
        }
    }

    /// The table's name.
    #[must_use]
    pub fn table(&self) -> &'static str {
        self.table
    }

    /// All columns, and whether each is shown.
    #[must_use]
    pub fn columns(&self) -> &[(Column, bool)] {
        &self.columns
    }

    /// The columns that are shown.
    pub fn shown(&self) -> impl Iterator<Item = Column> + '_ {
        self.columns.iter().filter(|(_, shown)| *shown).map(|(column, _)| *column)
    }

    /// What the list can be narrowed to.
    #[must_use]
    pub fn facets(&self) -> &'static [Facet] {
        self.facets
    }

    /// Whether the list is narrowed to a value.
    #[must_use]
    pub fn narrows(&self, field: &str, value: &str) -> bool {
        self.filters.iter().any(|(name, values)| name == field && values.iter().any(|one| one == value))
    }

    /// Whether there would be more rows without search and filters.
    #[must_use]
    pub fn is_narrowed(&self) -> bool {
        !self.search.is_empty() || !self.filters.is_empty()
    }

    /// The page without search and filters.
    #[must_use]
    pub fn bare(&self) -> &str {
        &self.path
    }

    /// The words of what a facet is narrowed to.
    #[must_use]
    pub fn chosen(&self, facet: &Facet) -> Vec<&'static str> {
        let narrowed = facet.options.iter().filter(|(value, _)| self.narrows(facet.field, value));
        narrowed.map(|(_, word)| *word).collect()
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
