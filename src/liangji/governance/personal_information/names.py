"""Names of persons and postal addresses: they have no format, so only a context that says so is believed. Precision before recall."""

from __future__ import annotations

import re
from collections.abc import Iterator

from liangji.governance.personal_information.rules import Candidate

_DOUBLE_SURNAMES = "欧阳 司马 上官 诸葛 东方 皇甫 尉迟 公孙 慕容 令狐 司徒 夏侯 端木 独孤 南宫 长孙 宇文 申屠 太史 轩辕 百里 呼延 闻人 万俟 澹台 赫连 淳于 单于 钟离 闾丘 司空 鲜于".replace(
    " ", "|"
)
_SURNAMES = (
    "王李张刘陈杨黄赵吴周徐孙马朱胡郭何高林罗郑梁谢宋唐许韩冯邓曹彭曾肖萧田董袁潘于蒋蔡余杜叶程苏魏吕丁任沈姚卢姜崔钟谭陆汪范金石廖贾夏韦付傅方白邹孟熊秦邱江尹薛闫阎段"
    "雷侯龙史陶黎贺顾毛郝龚邵万钱严覃武戴莫孔向汤温康施文牛樊葛邢安齐易乔伍庞颜倪庄聂章鲁岳翟殷詹申欧耿关兰焦俞左柳甘祝包宁尚符舒阮柯纪梅童凌毕单季裴霍涂成苗谷盛曲翁冉骆蓝路"
    "游辛靳管柴蒙鲍华喻祁蒲房滕屈饶解牟艾尤阳时穆农司卓古吉缪简车项连芦麦褚娄窦戚岑景党宫费卜冷晏席卫米柏宗瞿桂全佟应臧闵苟邬边卞姬师和仇栾隋商刁沙荣巫寇桑郎甄丛仲虞敖巩明佘池查麻苑迟邝官封谈匡鞠惠荆乐冀郁胥南班储原栗燕楚鄢劳谌奚皮粟冼蔺楼盘满闻位厉伊仝区郜海阚花权强帅屠豆朴盖练廉禹井祖漆巴丰支卿国狄平计索宣晋相初门云容敬来扈晁芮都普阙浦戈伏鹿薄邸雍辜羊阿乌母裘亓修邰赫杭况那宿鲜印逯隆茹诺战慕危玉银亢嵇公哈湛宾戎勾茅利於呼居揭干但尉冶斯元束檀衣信展阴昝智幸奉植衡富尧闭由"
)
_GIVEN = r"[\u4e00-\u9fff]"
_NAME = rf"(?:(?:{_DOUBLE_SURNAMES}){_GIVEN}{{1,2}}?|[{_SURNAMES}]{_GIVEN}{{1,2}}?)"
_ROLES = (
    "姓名|联系人|收件人|收货人|寄件人|发件人|报修人|申请人|负责人|经办人|操作员|操作人|司机|驾驶员|客户|用户|患者|病人|员工|乘客|旅客|户主|持卡人|开户人|收款人|付款人|法定代表人|法人代表|法人|"
    "当事人|原告|被告|证人|嫌疑人|值班员|检修员|检验员|巡检员|维修工|工程师|记录人|审核人|审批人|签收人|监护人|投保人|被保险人|学生|教师|医生|经理|主任|汇至|转给|汇给|户名|作者|车主|来访人|访客"
)
_AFTER_ROLE = re.compile(
    rf"(?:{_ROLES})(?:姓名|名称)?[\s:：=\"'是为]{{0,4}}(?P<value>{_NAME})(?=$|[^\u4e00-\u9fff]|[于在的已将和与及到从向同给被把要说持，。、先女同])"
)
_BEFORE_TITLE = re.compile(
    rf"(?:^|(?<=[^\u4e00-\u9fff])|(?<=[由和与给向找]))(?P<value>{_NAME})(?=先生|女士|小姐|同志|老师|医生|经理|师傅|教授|主任)"
)
_KEYED = re.compile(
    rf"(?:name|user|username|owner|contact|realname)[\"']?\s*[:=]\s*[\"'](?P<value>{_NAME})(?=[\"'])", re.IGNORECASE
)
_BESIDE_NUMBER = re.compile(
    rf"(?:^|(?<=[\n\t,，;；|]))(?P<value>{_NAME})(?=[\t,，;；|][ ]?(?:\+?86[ -]?)?(?:1[3-9]\d|[1-8]\d{{3}}[ ]?\d{{2}}))",
    re.MULTILINE,
)
_ENGLISH = re.compile(
    r"(?:\b(?:Mr|Mrs|Ms|Dr|Prof|Miss)\.?[ ]+|\b(?:[Nn]ame|NAME|[Cc]ustomer|[Cc]ontact|[Pp]atient|[Aa]pplicant)[ ]?:[ ]*|\b[Mm]y name is[ ]+)"
    r"(?P<value>(?=[^ ]*[a-zß-ÿ])(?![^ ]*[_\d])[A-ZÀ-ÞĀ-Ž][\w'’À-ž-]+(?:[ ](?:[A-ZÀ-ÞĀ-Ž][\w'’À-ž-]+|[A-Z]\.?)){0,3})"
)
_NOT_NAMES = frozenset(["有限", "公司", "单位", "名称", "经理", "主任", "地址", "电话", "手机", "编号", "信息", "管理", "服务", "系统", "时间", "安全", "技术", "设备", "项目", "部门", "需要", "可以", "反馈", "要求", "高度", "时候", "任何", "成功", "关于", "方面", "应当", "应该", "和平", "来自", "来到", "向前", "路线", "项目", "明确", "国家"])  # fmt: skip

_DIVISION = r"(?:[\u4e00-\u9fff]{2,8}?(?:省|自治区|特别行政区))?(?:[\u4e00-\u9fff]{1,8}?(?:市|自治州|地区|盟))?(?:[\u4e00-\u9fff]{1,7}?(?:区|县|旗|市))?(?:[\u4e00-\u9fff]{1,7}?(?:街道|镇|乡|村|开发区|园区))?"
_ADDRESS = re.compile(
    rf"(?P<value>(?P<division>{_DIVISION})(?P<road>[\u4e00-\u9fff0-9]{{1,14}}?(?:路|街|大街|大道|巷|弄|胡同|道|里))[东南西北中]?[0-9一二三四五六七八九十]{{1,5}}(?:号院|号楼|号|弄)"
    r"(?:[0-9一二三四五六七八九十A-Za-z]{1,4}(?:号楼|号院|栋|幢|座|楼|单元|层|室|号|房|户)){0,5}(?:[0-9]{2,5}(?:室|房|号)?)?)"
)
_ADDRESS_LEAD = re.compile(
    r"^(?:.*?(?:住址|地址|现住|家住|居住于|居住在|位于|住在|送至|送到|寄至|寄到|坐落于|籍贯|户籍|住))?(?:是|为|在|于)?"
)


def candidates(text: str) -> Iterator[Candidate]:
    """Find names after a role, before a title or in a column of numbers, and addresses down to the house number."""
    for pattern in (_AFTER_ROLE, _BEFORE_TITLE, _KEYED, _BESIDE_NUMBER):
        for match in pattern.finditer(text):
            start, end = match.span("value")
            if not any(word in match["value"] for word in _NOT_NAMES):
                yield Candidate(start, end, "person_name", "high", 1)
    for match in _ENGLISH.finditer(text):
        yield Candidate(*match.span("value"), "person_name", "high", 1)
    for match in _ADDRESS.finditer(text):
        lead = _ADDRESS_LEAD.match(match["value"])
        start = match.start("value") + (lead.end() if lead else 0)
        if match["division"] and match.end("value") - start >= 8:
            yield Candidate(start, match.end("value"), "postal_address", "high", 0)
