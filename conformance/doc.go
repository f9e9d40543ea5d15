// Package conformance judges the sandbox and the library by other people's clients: the provider's own Go SDK, with its own
// verification on, and two Node SDKs. It is a module of its own, so that none of them is a dependency of the gateway.
//
// All of it is tests over loopback; run them with `make conformance` in the folder above. README.md says what they prove and where
// the clients and our reading of the provider's documents differ.
package conformance
