//! `GET /networks` and `GET /networks/{id}`.

use std::collections::{BTreeMap, HashSet};

use wire::Summary;
use wire::network::NetworkInfo;

use super::predefined::is_predefined;
use super::shape::Attached;
use super::{Network, Networks, driver, is_attached, network_name, not_found};
use crate::docker::error::ApiError;
use crate::docker::filters::{Filters, invalid, pairs};
use crate::docker::query::Query;

const FILTERS: &[&str] = &["dangling", "driver", "id", "label", "name", "scope", "type"];

impl Networks {
    /// `GET /networks`, of a host with these containers.
    ///
    /// # Errors
    /// 400 for filters that are none or are not known.
    pub fn list<'a>(
        &self,
        query: &Query,
        containers: impl Iterator<Item = &'a Summary>,
    ) -> Result<Vec<Network<'_>>, ApiError> {
        let filters = Filters::parse(query.text("filters"), FILTERS)?;
        if let Some(kind) = filters
            .values("type")
            .iter()
            .find(|kind| !matches!(kind.as_str(), "builtin" | "custom"))
        {
            return Err(invalid("type", kind));
        }
        let (names, ids) = (filters.patterns("name"), filters.patterns("id"));
        let dangling = filters.truth("dangling")?;
        let used: HashSet<&str> = containers
            .filter(|summary| is_attached(summary))
            .map(|summary| network_name(summary.network_mode, &summary.network))
            .collect();
        // A network that is always there is never left over.
        let is_left =
            |network: &NetworkInfo| !is_predefined(&network.name) && !used.contains(network.name.as_str());
        let networks = self
            .all
            .iter()
            .filter(|network| {
                let builtin = is_predefined(&network.name);
                names.matches(&network.name)
                    && ids.matches(network.id.hex().as_str())
                    && filters.exact("driver", driver(network.kind))
                    && filters.exact("scope", "local")
                    && filters.exact("type", if builtin { "builtin" } else { "custom" })
                    && filters.labels("label", pairs(&network.labels))
                    && dangling.is_none_or(|dangling| is_left(network) == dangling)
            })
            // Docker leaves the containers to the inspection of one network.
            .map(|network| Network::new(network, BTreeMap::new()))
            .collect();
        Ok(networks)
    }

    /// `GET /networks/{id}`, by name, id or the beginning of an id.
    ///
    /// # Errors
    /// 404 `network x not found`; 400 for the beginning of several ids.
    pub fn inspect<'a>(
        &self,
        reference: &str,
        query: &Query,
        containers: impl Iterator<Item = &'a Summary>,
    ) -> Result<Network<'_>, ApiError> {
        let network = self.resolve(reference)?;
        if !matches!(query.text("scope"), None | Some("" | "local")) {
            return Err(not_found(reference));
        }
        let attached = containers
            .filter(|summary| {
                is_attached(summary) && network_name(summary.network_mode, &summary.network) == network.name
            })
            .map(|summary| {
                let endpoint_id = self.endpoint_id(&network.name, summary.id);
                (
                    summary.id.to_string(),
                    Attached::new(network, summary, endpoint_id),
                )
            })
            .collect();
        Ok(Network::new(network, attached))
    }

    fn resolve(&self, reference: &str) -> Result<&NetworkInfo, ApiError> {
        if let Some(network) = self.find(reference) {
            return Ok(network);
        }
        let mut begun = self
            .all
            .iter()
            .filter(|network| !reference.is_empty() && network.id.hex().as_str().starts_with(reference));
        match (begun.next(), begun.next()) {
            (Some(network), None) => Ok(network),
            (None, _) => Err(not_found(reference)),
            _ => Err(ApiError::bad_request(format!(
                "network {reference} is ambiguous ({} matches found based on ID prefix)",
                begun.count().saturating_add(2)
            ))),
        }
    }
}
