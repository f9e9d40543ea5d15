package store

import (
	"context"
	"database/sql/driver"
)

// statementsKept is more than the texts that a serving gateway and its queue have.
const statementsKept = 512

// keeping connects with connections that keep their statements prepared, ours and the queue's: parsing one costs SQLite
// more than running it.
type keeping struct {
	driver driver.Driver
	dsn    string
}

func (k keeping) Driver() driver.Driver { return k.driver }

func (k keeping) Connect(context.Context) (driver.Conn, error) {
	c, err := k.driver.Open(k.dsn)
	if err != nil {
		return nil, err
	}
	return &keepingConn{driverConn: c.(driverConn), kept: map[string]*keptStatement{}}, nil
}

// driverConn is what the driver's connections can do.
type driverConn interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.QueryerContext
	driver.Pinger
	driver.SessionResetter
	driver.Validator
}

// keepingConn is used by one goroutine at a time, as database/sql promises.
type keepingConn struct {
	driverConn
	kept map[string]*keptStatement
}

type keptStatement struct {
	driver.Stmt
	reading bool // its rows are not closed
}

// statement is the prepared statement, or nil where the text is to be run as it is: it has no arguments, as those that
// change the schema, or its own rows are still being read.
func (c *keepingConn) statement(ctx context.Context, query string, args []driver.NamedValue) (*keptStatement, error) {
	if len(args) == 0 {
		return nil, nil //nolint:nilnil // see above
	}
	if s := c.kept[query]; s != nil {
		if s.reading {
			return nil, nil //nolint:nilnil // see above
		}
		return s, nil
	}
	if len(c.kept) >= statementsKept {
		c.forget()
	}
	prepared, err := c.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	s := &keptStatement{Stmt: prepared}
	c.kept[query] = s
	return s, nil
}

// forget drops what is not being read.
func (c *keepingConn) forget() {
	for query, s := range c.kept {
		if !s.reading {
			_ = s.Close() // of no use any more either way
			delete(c.kept, query)
		}
	}
}

func (c *keepingConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	s, err := c.statement(ctx, query, args)
	if err != nil {
		return nil, err
	}
	if s == nil {
		return c.driverConn.ExecContext(ctx, query, args)
	}
	return s.Stmt.(driver.StmtExecContext).ExecContext(ctx, args)
}

func (c *keepingConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	s, err := c.statement(ctx, query, args)
	if err != nil {
		return nil, err
	}
	if s == nil {
		return c.driverConn.QueryContext(ctx, query, args)
	}
	r, err := s.Stmt.(driver.StmtQueryContext).QueryContext(ctx, args)
	if err != nil {
		return nil, err
	}
	s.reading = true
	return keptRows{r, s}, nil
}

func (c *keepingConn) Close() error {
	for _, s := range c.kept {
		_ = s.Close() // the connection ends
	}
	return c.driverConn.Close()
}

type keptRows struct {
	driver.Rows
	of *keptStatement
}

func (r keptRows) Close() error {
	r.of.reading = false
	return r.Rows.Close()
}
