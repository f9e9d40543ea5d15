package wechatpay

import (
	"encoding/json"
	"fmt"
)

// detailBytesMax bounds the detail object as JSON (JSON下单参数, detail).
const detailBytesMax = 6144

// encode checks the order and writes it once.
func (b *prepayBody) encode() ([]byte, error) {
	var v validation
	v.text("appid", b.AppID, 1, 32)
	v.text("description", b.Description, 1, 127)
	v.number("out_trade_no", b.OutTradeNo, 6, 32, outTradeNoFurther)
	v.text("attach", b.Attach, 0, 128)
	v.notifyURL(b.NotifyURL, true, 255)
	v.text("goods_tag", b.GoodsTag, 0, 32)
	v.atLeast("amount.total", b.Amount.Total, 1)
	v.text("amount.currency", b.Amount.Currency, 0, 16)
	if b.Payer != nil {
		v.text("payer.openid", b.Payer.OpenID, 1, 128)
	}
	switch scene := b.SceneInfo.(type) {
	case SceneInfo:
		v.scene(scene.PayerClientIP, scene.DeviceID, scene.StoreInfo)
	case H5SceneInfo:
		v.scene(scene.PayerClientIP, scene.DeviceID, scene.StoreInfo)
		v.h5Info(scene.H5Info)
	}
	if b.detail != nil {
		v.goods(b.detail)
		detail, err := json.Marshal(b.detail)
		if err != nil {
			return nil, fmt.Errorf("encode detail: %w", err)
		}
		if len(detail) > detailBytesMax {
			v.add("detail", fmt.Sprintf("must have at most %d bytes as JSON, has %d", detailBytesMax, len(detail)))
		}
		b.Detail = detail
	}
	if err := v.err(); err != nil {
		return nil, err
	}
	body, err := json.Marshal(b)
	if err != nil {
		return nil, fmt.Errorf("encode order: %w", err)
	}
	return body, nil
}

func (v *validation) scene(payerClientIP, deviceID string, store *StoreInfo) {
	v.ip("scene_info.payer_client_ip", payerClientIP)
	v.text("scene_info.device_id", deviceID, 0, 32)
	if store == nil {
		return
	}
	v.text("scene_info.store_info.id", store.ID, 1, 32)
	v.text("scene_info.store_info.name", store.Name, 0, 256)
	v.text("scene_info.store_info.area_code", store.AreaCode, 0, 32)
	v.text("scene_info.store_info.address", store.Address, 0, 512)
}

func (v *validation) h5Info(info H5Info) {
	switch info.Type {
	case "iOS", "Android", "Wap":
	default:
		v.add("scene_info.h5_info.type", "must be iOS, Android or Wap")
	}
	v.text("scene_info.h5_info.app_name", info.AppName, 0, 64)
	v.text("scene_info.h5_info.app_url", info.AppURL, 0, 128)
	v.text("scene_info.h5_info.bundle_id", info.BundleID, 0, 128)
	v.text("scene_info.h5_info.package_name", info.PackageName, 0, 128)
}

func (v *validation) goods(detail *OrderDetail) {
	v.text("detail.invoice_id", detail.InvoiceID, 0, 32)
	for i, goods := range detail.GoodsDetail {
		at := fmt.Sprintf("detail.goods_detail[%d].", i)
		v.number(at+"merchant_goods_id", goods.MerchantGoodsID, 1, 32, "_-")
		v.text(at+"wechatpay_goods_id", goods.WechatpayGoodsID, 0, 32)
		v.text(at+"goods_name", goods.GoodsName, 0, 256)
		v.atLeast(at+"quantity", goods.Quantity, 1)
		v.atLeast(at+"unit_price", goods.UnitPrice, 0)
	}
}
