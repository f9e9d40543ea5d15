package main

import "fmt"

type configCommand struct{ configured }

// Help is shown by --help.
func (configCommand) Help() string {
	return "Example: tongbao config --config /etc/tongbao/tongbao.yaml"
}

func (c *configCommand) Run(sys system) error {
	cfg, err := c.load(sys)
	if err != nil {
		return err
	}
	fmt.Fprint(sys.stdout, cfg.Redacted())
	return nil
}
