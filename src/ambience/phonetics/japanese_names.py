"""Japanese readings of what stands on signs: places, names and words that are written in Han alone."""

from functools import cache

_READINGS = """
東京 tokyo  大阪 osaka  京都 kyoto  名古屋 nagoya  横浜 yokohama  神戸 kobe  札幌 sapporo
福岡 fukuoka  広島 hiroshima  仙台 sendai  長崎 nagasaki  奈良 nara  沖縄 okinawa  北海道 hokkaido
千葉 chiba  埼玉 saitama  神奈川 kanagawa  川崎 kawasaki  新潟 niigata  静岡 shizuoka
浜松 hamamatsu  熊本 kumamoto  鹿児島 kagoshima  岡山 okayama  金沢 kanazawa  石川 ishikawa
富山 toyama  長野 nagano  山梨 yamanashi  岐阜 gifu  三重 mie  滋賀 shiga  兵庫 hyogo
和歌山 wakayama  鳥取 tottori  島根 shimane  山口 yamaguchi  徳島 tokushima  香川 kagawa  愛媛 ehime
高知 kochi  佐賀 saga  大分 oita  宮崎 miyazaki  青森 aomori  岩手 iwate  宮城 miyagi  秋田 akita
山形 yamagata  福島 fukushima  茨城 ibaraki  栃木 tochigi  群馬 gunma  愛知 aichi  福井 fukui
日本 nihon,nippon  富士 fuji  富士山 fujisan  銀座 ginza  新宿 shinjuku  渋谷 shibuya
池袋 ikebukuro  上野 ueno  浅草 asakusa  秋葉原 akihabara  品川 shinagawa  六本木 roppongi
原宿 harajuku  中野 nakano  目黒 meguro  恵比寿 ebisu  日光 nikko  鎌倉 kamakura  箱根 hakone
熱海 atami  伊豆 izu  松本 matsumoto  高山 takayama  姫路 himeji  函館 hakodate  小樽 otaru
旭川 asahikawa  盛岡 morioka  水戸 mito  宇都宮 utsunomiya  前橋 maebashi  高崎 takasaki
成田 narita  羽田 haneda  関西 kansai  関東 kanto  九州 kyushu  四国 shikoku  本州 honshu  那覇 naha
松山 matsuyama  高松 takamatsu  大津 otsu  下関 shimonoseki  北九州 kitakyushu  別府 beppu
祇園 gion  嵐山 arashiyama  難波 namba  梅田 umeda  心斎橋 shinsaibashi  道頓堀 dotonbori
宮島 miyajima  白川 shirakawa  築地 tsukiji  台場 daiba  佐藤 sato  鈴木 suzuki  高橋 takahashi
田中 tanaka  伊藤 ito  渡辺 watanabe  山本 yamamoto  中村 nakamura  小林 kobayashi  加藤 kato
吉田 yoshida  山田 yamada  佐々木 sasaki  井上 inoue  木村 kimura  林 hayashi  斎藤 saito
清水 shimizu  山崎 yamazaki  森 mori  池田 ikeda  橋本 hashimoto  阿部 abe  石井 ishii  前田 maeda
藤田 fujita  後藤 goto  岡田 okada  長谷川 hasegawa  村上 murakami  近藤 kondo  坂本 sakamoto
遠藤 endo  青木 aoki  藤井 fujii  西村 nishimura  三浦 miura  藤原 fujiwara  太田 ota  松田 matsuda
原田 harada  中島 nakajima  小川 ogawa  中川 nakagawa  黒澤 kurosawa  宮本 miyamoto  本田 honda
豊田 toyota,toyoda  三菱 mitsubishi  日産 nissan  松下 matsushita  東芝 toshiba  任天堂 nintendo
川端 kawabata  駅 eki  出口 deguchi  入口 iriguchi  新幹線 shinkansen  地下鉄 chikatetsu  空港 kuko
神社 jinja  寺 tera  城 shiro  温泉 onsen  酒 sake  寿司 sushi  鮨 sushi  天麩羅 tempura  蕎麦 soba
饂飩 udon  刺身 sashimi  焼肉 yakiniku  焼鳥 yakitori  弁当 bento  居酒屋 izakaya  茶 cha
抹茶 matcha  味噌 miso  豆腐 tofu  着物 kimono  侍 samurai  忍者 ninja  桜 sakura  花見 hanami
漫画 manga  空手 karate  柔道 judo  剣道 kendo  相撲 sumo  歌舞伎 kabuki  芸者 geisha  盆栽 bonsai
折紙 origami  俳句 haiku  津波 tsunami  旅館 ryokan  畳 tatami  布団 futon  歌手 kashu  先生 sensei
学校 gakko  大学 daigaku  病院 byoin  銀行 ginko
"""


@cache
def _table() -> dict[str, tuple[str, ...]]:
    entries = _READINGS.split()
    return {word: tuple(read.split(",")) for word, read in zip(entries[::2], entries[1::2], strict=True)}


def read_japanese(word: str) -> tuple[str, ...]:
    """Japanese readings of a word in Han; empty where none is known."""
    return _table().get(word, ())
