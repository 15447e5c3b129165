//! Failures: resets and lost connections become the statuses that gRPC names.

use tonic::Code;

use super::*;

#[test]
fn resets_become_the_status_that_grpc_names() {
    let cases = [
        (Reason::REFUSED_STREAM, Code::Unavailable),
        (Reason::CANCEL, Code::Cancelled),
        (Reason::ENHANCE_YOUR_CALM, Code::ResourceExhausted),
        (Reason::INADEQUATE_SECURITY, Code::PermissionDenied),
        (Reason::PROTOCOL_ERROR, Code::Internal),
    ];
    for (reason, code) in cases {
        assert_eq!(reset_status(Some(reason)).code(), code, "{reason:?}");
    }
}

#[test]
fn a_lost_connection_is_unavailable_and_a_drained_one_says_so() {
    let lost = io::Error::from(io::ErrorKind::ConnectionReset);
    assert_eq!(status_of(&lost, false).code(), Code::Unavailable);
    assert_eq!(status_of(&lost, true).message(), "connection_drained");
}
