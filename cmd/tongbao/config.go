package main

import "fmt"

type configCommand struct{ configured }

func (c *configCommand) Run(sys system) error {
	cfg, err := c.load(sys)
	if err != nil {
		return err
	}
	fmt.Fprint(sys.stdout, cfg.Redacted())
	return nil
}
