// Package pgtest starts a real, private PostgreSQL for tests: no container, no account, nothing shared with a
// server that already runs on the machine. It needs PostgreSQL 13 or newer to be installed; a test that finds none
// fails and says what to install, because a skipped database test proves nothing.
//
// Most tests want a database of their own in one cluster per test process:
//
//	func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }
//
//	func TestRefund(t *testing.T) {
//		dsn := pgtest.NewDatabase(t)
//		...
//	}
//
// A test that kills its server takes a cluster of its own from [Start].
//
// PostgreSQL refuses to run as root. A test process that is root starts it as postgres, or as nobody where there is no
// such account. Every server listens on 127.0.0.1 only, wants a random password, and keeps its files in one folder
// below [os.TempDir]; a guard process ends the server and removes the folder when the test process is gone, for
// whatever reason it went.
//
// The package is for tests: import it from _test.go files and from packages that are suites of tests themselves.
package pgtest
