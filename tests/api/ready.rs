//! `/readyz`, for whoever watches over the node.

use reqwest::Method;

use crate::support::node::TestNode;

#[actix_web::test]
async fn a_node_is_ready_once_it_has_started() {
    let node = TestNode::start().await;
    for (method, body) in [(Method::GET, r#"{"ready":true}"#), (Method::HEAD, "")] {
        let request = node.api.request(method, "/../readyz");
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.text().await.unwrap(), body);
    }
    node.stop().await;
}
