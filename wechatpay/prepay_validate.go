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
	v.appID(&b.parties)
	v.text("description", b.Description, 1, 127)
	v.number("out_trade_no", b.OutTradeNo, 6, 32, outTradeNoFurther)
	v.text("attach", b.Attach, 0, 128)
	v.notifyURL(b.NotifyURL, true, 255)
	v.text("goods_tag", b.GoodsTag, 0, 32)
	v.atLeast("amount.total", b.Amount.Total, 1)
	v.text("amount.currency", b.Amount.Currency, 0, 16)
	if b.payer != nil {
		v.payer(&b.parties, b.payer)
		b.Payer = b.payer.onTheWire(&b.parties)
	}
	for i, way := range b.LimitPay {
		v.text(fmt.Sprintf("limit_pay[%d]", i), way, 1, 32)
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

// payer wants the payer's identity under a name the mode has (WeChat Pay APIv3, 服务商模式: sp_openid 与 sub_openid
// 二选一).
func (v *validation) payer(p *parties, payer *Payer) {
	if !p.isPartner() {
		v.text("payer.openid", payer.OpenID, 1, 128)
		if payer.SubOpenID != "" {
			v.add("payer.sub_openid", "is for partner mode; call a Client made by ForSubMerchant")
		}
		return
	}
	if payer.OpenID == "" && payer.SubOpenID == "" {
		v.add("payer.sp_openid", "or sub_openid is required")
	}
	v.text("payer.sp_openid", payer.OpenID, 0, 128)
	v.text("payer.sub_openid", payer.SubOpenID, 0, 128)
	if payer.SubOpenID != "" && p.SubAppID == "" {
		v.add("payer.sub_openid", "needs SubMerchant.AppID")
	}
}

func (p *Payer) onTheWire(in *parties) *prepayPayer {
	if in.isPartner() {
		return &prepayPayer{SpOpenID: p.OpenID, SubOpenID: p.SubOpenID}
	}
	return &prepayPayer{OpenID: p.OpenID}
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
