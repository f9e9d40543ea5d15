package shop

import (
	"fmt"
	"slices"
)

// product is something on the shelf. The table is the only source of prices: no form carries one.
type product struct {
	ID               string
	Chinese, English string
	Note, NoteEn     string
	PriceFen         int64
	Picture          string // an asset
}

func products() []product {
	return []product{
		{
			ID: "tea", Chinese: "一杯清茶", English: "A cup of green tea", PriceFen: 88, Picture: "tea.svg",
			Note: "明前龙井，刚刚泡好", NoteEn: "Picked in spring, poured just now",
		},
		{
			ID: "dumplings", Chinese: "一笼小笼包", English: "A basket of dumplings", PriceFen: 1200, Picture: "dumplings.svg",
			Note: "现蒸现卖，小心烫口", NoteEn: "Steamed to order, mind the soup",
		},
		{
			ID: "umbrella", Chinese: "一把油纸伞", English: "An oil-paper umbrella", PriceFen: 8800, Picture: "umbrella.svg",
			Note: "手工竹骨，雨天正好", NoteEn: "Bamboo ribs, made by hand, for rain",
		},
	}
}

func productByID(id string) (product, bool) {
	all := products()
	i := slices.IndexFunc(all, func(p product) bool { return p.ID == id })
	if i < 0 {
		return product{}, false
	}
	return all[i], true
}

// yuan writes an amount in fen as people read it.
func yuan(fen int64) string { return fmt.Sprintf("%d.%02d", fen/100, fen%100) }
